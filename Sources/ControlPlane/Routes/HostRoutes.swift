// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The hosts themselves.
enum HostRoutes {
  static let all: [RouteTable.Route] = [
    .init(
      .get, "/v1/hosts",
      Endpoint("listHosts", on: .server, query: ["limit", "cursor"], .answer(listHosts))),
    .init(
      .post, "/v1/hosts",
      Endpoint(
        // The body has the name of the host, if anything has.
        "createHost", needs: .admin, on: .everyHost, query: ["dry_run"], body: .json, effort: .long,
        .answer { call throws(Problem) in try makeHost(call, pathID: nil) })),
    .init(.get, "/v1/hosts/{host}", Endpoint("getHost", on: .namedHost, .answer(getHost))),
    .init(
      .put, "/v1/hosts/{host}",
      Endpoint(
        "putHost", needs: .admin, on: .namedHost, query: ["dry_run"], body: .json, effort: .long,
        .answer { call throws(Problem) in try makeHost(call, pathID: call.parameters[0]) })),
    .init(
      .delete, "/v1/hosts/{host}",
      Endpoint(
        "deleteHost", needs: .admin, on: .namedHost, query: ["allow_missing", "dry_run"],
        effort: .long, .answer(deleteHost))),
  ]

  private static func listHosts(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let limit = try call.query.int("limit", in: 1...Listing.largestPage) ?? Listing.usualPage
    let cursor = call.query.text("cursor")
    if let cursor, !Identifier.isValid(cursor.utf8) {
      throw QueryReader.invalid("cursor", "is not one that a listing gave out")
    }
    let behind = call.api.hosts.all.filter { host in
      host.name > cursor ?? "" && call.token?.isFor(host: host.name) ?? true
    }
    let next = behind.count > limit ? behind[limit - 1].name : nil
    var response = Response.object(capacity: 1024) { writer in
      writer.key("items")
      writer.array(of: behind.prefix(limit)) { HostCoding.write($1, to: &$0) }
      writer.field("next", text: next)
    }
    response.linkNext(to: "/v1/hosts", limit: limit, cursor: next)
    return response
  }

  private static func getHost(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let host = try named(call)
    return call.notModified(HostCoding.tag(of: host)) ?? HostCoding.response(host, status: 200)
  }

  private static func named(_ call: Call) throws(Problem) -> Host {
    guard let host = call.api.hosts.host(call.parameters[0]) else {
      throw Problem(.notFound, "there is no host \(call.parameters[0])")
    }
    return host
  }

  // MARK: Changing

  private static func makeHost(_ call: Call, pathID: String?) throws(Problem) -> Response {
    try answeringOnce(call, pathID) { conditions throws(Problem) in
      if let pathID, !Identifier.isValid(pathID.utf8) {
        throw Problem(faults: [.init(.invalidField, at: "{host}", Identifier.rule)])
      }
      let reader = try call.reader()
      let settings = HostSettings(
        reader, pathID: pathID, models: call.api.configuration.models)
      try reader.finish()
      let made = try call.api.hosts.make(
        settings, isEnsured: pathID != nil, isDryRun: conditions.isDryRun)
      switch made {
      case .made(let host):
        var response = HostCoding.response(host, status: 201)
        response.headers.append((.location, HostCoding.path(host)))
        return response
      case .existed(let host):
        return HostCoding.response(host, status: 200)
      }
    }
  }

  private static func deleteHost(_ call: Call) throws(Problem) -> Response {
    let name = call.parameters[0]
    return try answeringOnce(call, name) { conditions throws(Problem) in
      let allowMissing = try call.query.bool("allow_missing")
      if allowMissing, call.api.hosts.host(name) == nil { return Response(status: 204) }
      try call.api.hosts.remove(name, isDryRun: conditions.isDryRun)
      return .object(capacity: 64) { writer in
        writer.key("deleted")
        writer.array(of: [name]) { writer, name in
          writer.object { writer in
            writer.field("kind", text: "host")
            writer.field("id", text: name)
          }
        }
      }
    }
  }

  /// Checks the preconditions of a request about a host as such, and repeats the answer for a
  /// repetition of the request.
  static func answeringOnce(
    _ call: Call, _ name: String?, _ body: (Conditions) throws(Problem) -> Response
  ) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let conditions = try Conditions(call.request, isDryRun: try call.query.bool("dry_run"))
    guard conditions.idempotencyKey != nil else {
      return try answer(call, name, conditions, body)
    }
    return call.api.hosts.withReplies { replies in
      replies.answerOnce(conditions) { () throws(Problem) in
        try answer(call, name, conditions, body)
      }
    }
  }

  private static func answer(
    _ call: Call, _ name: String?, _ conditions: Conditions,
    _ body: (Conditions) throws(Problem) -> Response
  ) throws(Problem) -> Response {
    let tag = name.flatMap { call.api.hosts.host($0) }.map { HostCoding.tag(of: $0) }
    try conditions.check(tag)
    return try body(conditions)
  }
}
