// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The routes that every collection has: listing, making, showing, deleting, explaining.
enum CollectionRoutes {
  static func routes(of resource: Resource) -> [RouteTable.Route] {
    let collection = "/" + resource.collection
    let item = collection + "/{id}"
    let kind = resource.kind
    let noun = resource.operationNoun
    return [
      .init(.get, collection, list(resource, noun)),
      .init(.post, collection, create(resource, noun)),
      .init(.get, item, show(kind, noun)),
      .init(.put, item, put(resource, noun)),
      .init(.delete, item, delete(kind, noun)),
      .init(
        .get, item + "/explain",
        Endpoint(
          "explain\(noun)", query: ["verb"],
          .answer { call throws(Problem) in try explain(kind, call) })),
    ]
  }

  // MARK: Listing

  private static func list(_ resource: Resource, _ noun: String) -> Endpoint {
    Endpoint(
      "list\(noun)\(noun.hasSuffix("s") ? "es" : "s")",
      query: ["limit", "cursor"] + resource.filters.map(\.name), effort: .growsWithQuery,
      .answer { call throws(Problem) in
        try Accept.require([MediaType.json], call.request)
        return try Listing(resource, call).response()
      })
  }

  // MARK: Making

  private static func create(_ resource: Resource, _ noun: String) -> Endpoint {
    Endpoint(
      "create\(noun)", body: .json, effort: effort(ofMaking: resource.kind),
      .change { call throws(Problem) in
        let creation = try decode(resource, call, pathID: nil)
        return Change(operation: .create(creation), subject: .collection(resource.kind))
      })
  }

  private static func put(_ resource: Resource, _ noun: String) -> Endpoint {
    Endpoint(
      "put\(noun)", changing: resource.kind, body: .json,
      effort: effort(ofMaking: resource.kind)
    ) { call throws(Problem) in
      guard Identifier.isValid(call.id.utf8) else {
        throw Problem(faults: [.init(.invalidField, at: "{id}", Identifier.rule)])
      }
      return .ensure(try decode(resource, call, pathID: call.id))
    }
  }

  /// A domain takes over what its address space maps, an SMMU makes tables of any size; the others
  /// are made alike whatever there is.
  private static func effort(ofMaking kind: ObjectKind) -> Endpoint.Effort {
    kind == .domain || kind == .smmu ? .growsWithHost : .bounded
  }

  private static func decode(
    _ resource: Resource, _ call: Call, pathID: String?
  ) throws(Problem) -> Creation {
    let scope = DecodingScope(pathID: pathID, models: call.api.configuration.models)
    return try call.decode { resource.decode($0, scope) }
  }

  // MARK: Deleting

  private static func delete(_ kind: ObjectKind, _ noun: String) -> Endpoint {
    Endpoint(
      "delete\(noun)", changing: kind, query: ["allow_missing", "cascade", "plan"]
    ) { call throws(Problem) in
      let key = call.key(kind)
      let allowMissing = try call.query.bool("allow_missing")
      let isCascade = try call.query.bool("cascade")
      let plan = call.query.text("plan")
      if let plan, !Plan.isDigest(plan) {
        throw QueryReader.invalid("plan", "must be the digest of a plan, sha256:…")
      }
      if plan != nil, !isCascade {
        throw QueryReader.invalid("plan", "goes with cascade=true")
      }
      return isCascade
        ? .cascade(key, plan: plan, allowMissing: allowMissing)
        : .destroy(key, allowMissing: allowMissing)
    }
  }

  // MARK: Reading

  private static func show(_ kind: ObjectKind, _ noun: String) -> Endpoint {
    Endpoint(
      "get\(noun)", effort: .bounded, .answer { call throws(Problem) in try get(kind, call) })
  }

  static func get(_ kind: ObjectKind, _ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let host = call.host
    let epoch = host.log.extent.epoch
    return try host.read { state throws(Problem) in
      let object = try state.find(call.key(kind))
      if let unchanged = call.notModified(EntityTag(object, epoch: epoch)) { return unchanged }
      if let shown = state.shown.response(for: object) { return shown }
      let response = Reply(state: state, epoch: epoch).show(object, status: 200)
      if !Resource.of(kind).changesSilently { state.shown.keep(response, for: object) }
      return response
    }
  }

  /// The verbs of which a client can ask why they would be refused.
  private enum Verb: String, CaseIterable { case delete }

  private static func explain(_ kind: ObjectKind, _ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let verb = try call.query.choice("verb", of: Verb.self) ?? .delete
    return try call.host.read { state throws(Problem) in
      let object = try state.find(call.key(kind))
      let explanation = Explanation(object, policy: state.core.pinPolicy, state.encoder)
      return .object(capacity: 1024) { writer in
        writer.field("verb", text: verb.rawValue)
        writer.field("allowed", bool: explanation.plan.steps.isEmpty)
        explanation.writeMembers(to: &writer)
      }
    }
  }
}
