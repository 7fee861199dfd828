// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// Carries out `POST /batch`: many operations in one transaction, all of them or none.
///
/// Each operation is a request of the API, by its method, path and body. A later one may say
/// `$name` for the ID of what an earlier one made, in its path and wherever its body has a string.
struct Batch {
  private struct Item {
    enum Work {
      case request(method: HTTPCore.Method, path: String, body: JSONValue?, name: String?)
      case assertion(path: String, exists: Bool?, fields: JSONValue?)
    }

    let work: Work
    let pointer: String
  }

  private let call: Call
  private let items: [Item]
  private let conditions: Conditions

  init(_ call: Call) throws(Problem) {
    self.call = call
    try Accept.require([MediaType.json], call.request)
    conditions = try Conditions(call.request, isDryRun: try call.query.bool("dry_run"))
    let reader = try call.reader()
    let limit = call.api.configuration.limits.batch
    let items = reader.objects("operations", required: true, count: 0...limit) { inner, pointer in
      Batch.work(inner).map { Item(work: $0, pointer: pointer) }
    }
    try reader.finish()
    self.items = items ?? []
  }

  private static func work(_ reader: ObjectReader) -> Item.Work? {
    if let inner = reader.object("assert") {
      let path = inner.text("path", required: true, limit: 8192)
      let exists = inner.bool("exists")
      let fields = inner.any("fields")
      if exists == nil, fields == nil {
        inner.fault(.invalidField, "", "says neither exists nor fields")
      }
      if let fields, fields.kind != .object {
        inner.fault(.invalidField, "fields", "expected an object, got \(fields.kind.noun)")
      }
      reader.adopt(inner)
      return path.map { .assertion(path: $0, exists: exists, fields: fields) }
    }
    let method = reader.text("method", required: true, as: .choice)
    let path = reader.text("path", required: true, limit: 8192)
    let body = reader.any("body")
    let name = reader.identifier("as")
    guard let method, let path else { return nil }
    guard let known = HTTPCore.Method(rawValue: method), [.post, .put, .delete].contains(known)
    else {
      reader.fault(.invalidField, "method", "must be one of POST, PUT, DELETE")
      return nil
    }
    return .request(method: known, path: path, body: body, name: name)
  }

  // MARK: Running

  func run() throws(Problem) -> Response {
    call.host.batch(conditions) { state throws(Problem) in
      var writer = JSONWriter(capacity: 256 * items.count + 16)
      var names: [String: String] = [:]
      writer.beginArray()
      for item in items {
        do throws(Problem) {
          try carryOut(item, state, &names, &writer)
        } catch {
          throw Batch.placed(error, at: item.pointer)
        }
      }
      writer.endArray()
      return writer.bytes
    }
  }

  /// The problem, with the operation of the batch that it is about.
  private static func placed(_ problem: Problem, at pointer: String) -> Problem {
    var problem = problem
    problem.faults = problem.faults.map { fault in
      let inner = fault.pointer.hasPrefix("/") || fault.pointer.isEmpty
      let place = inner ? pointer + "/body" + fault.pointer : pointer + "/path"
      return .init(fault.code, at: place, fault.detail)
    }
    let members = problem.members
    problem.members = { writer in
      members?(&writer)
      writer.field("operation", text: pointer)
    }
    return problem
  }

  private func carryOut(
    _ item: Item, _ state: HostState, _ names: inout [String: String],
    _ writer: inout JSONWriter
  ) throws(Problem) {
    switch item.work {
    case .assertion(let path, let exists, let fields):
      try check(substitute(path, names), exists, fields, names, state)
      writer.object { $0.field("status", int: 200) }
    case .request(let method, let path, let body, let name):
      let change = try decode(method, try substitute(path, names), body, names)
      let outcome = try state.performer.perform(change.operation)
      if case .stopped(let refusal, let progress) = outcome {
        // In a batch nothing stands unless everything does, so that this is an error here.
        throw Reply(state: state, epoch: call.host.log.extent.epoch).problem(refusal, progress)
      }
      if let name {
        guard case .created(let key) = outcome else {
          throw Problem(.rejected, "as names what an operation makes, and this one makes nothing")
        }
        names[name] = key.id
      }
      Batch.write(outcome, state, call.host, to: &writer)
    }
  }

  private static func write(
    _ outcome: Outcome, _ state: HostState, _ host: Host, to writer: inout JSONWriter
  ) {
    let response = Reply(state: state, epoch: host.log.extent.epoch)
      .response(to: outcome, seq: nil)
    writer.object { writer in
      writer.field("status", int: response.status)
      if let location = response[.location] { writer.field("location", text: location) }
      if case .bytes(let body) = response.body, !body.isEmpty {
        writer.key("body")
        writer.raw(body)
      }
    }
  }

  // MARK: Requests

  private func decode(
    _ method: HTTPCore.Method, _ path: String, _ body: JSONValue?, _ names: [String: String]
  ) throws(Problem) -> Change {
    let target = try Batch.target(path)
    let head = RequestHead(method: method, target: target, hasBody: body != nil)
    guard case .endpoint(let found) = try call.api.route(head), found.host == call.host.name,
      case .change(let decode) = found.endpoint.action
    else {
      throw Problem(
        .unsupported, "a batch carries out changes of its own host's objects, not \(path)")
    }
    if body != nil, found.endpoint.body != .none, !found.endpoint.body.takesJSON {
      throw Problem(.unsupported, "a batch has no place for the bytes that \(path) takes")
    }
    let query = try QueryReader(target.query, known: found.endpoint.query)
    if try query.bool("dry_run") {
      throw QueryReader.invalid("dry_run", "is for the batch as a whole")
    }
    let request = Request(head: head, body: try bytes(of: body, found.endpoint, names))
    return try decode(
      Call(
        api: call.api, endpoint: found.endpoint, request: request, host: call.host,
        parameters: found.parameters.map { target.text($0) }, query: query))
  }

  private func bytes(
    of body: JSONValue?, _ endpoint: Endpoint, _ names: [String: String]
  ) throws(Problem) -> [UInt8] {
    guard let body else { return [] }
    guard endpoint.body.takesJSON else {
      throw Problem(.malformedRequest, "this request takes no body")
    }
    if let unknown = Batch.unknownName(in: body, names) { throw Batch.unknown(unknown) }
    var writer = JSONWriter()
    body.write(to: &writer) { text in
      text.hasPrefix("$") ? names[String(text.dropFirst())] ?? text : text
    }
    return writer.bytes
  }

  private static func target(_ path: String) throws(Problem) -> Target {
    do throws(Target.Malformed) {
      return try Target(Array(path.utf8))
    } catch {
      throw Problem(.malformedRequest, "\(path) is no path of this API")
    }
  }

  // MARK: Names

  private static func unknown(_ name: String) -> Problem {
    Problem(.referenceNotFound, "no earlier operation of the batch is named \(name)")
  }

  private func substitute(
    _ path: String, _ names: [String: String]
  ) throws(Problem) -> String {
    var result: [String] = []
    for segment in path.split(separator: "/", omittingEmptySubsequences: false) {
      // The last segment may be followed by a query.
      let name = segment.prefix { $0 != "?" }
      guard name.hasPrefix("$") else {
        result.append(String(segment))
        continue
      }
      guard let id = names[String(name.dropFirst())] else { throw Batch.unknown(String(name)) }
      result.append(id + segment[name.endIndex...])
    }
    return result.joined(separator: "/")
  }

  private static func unknownName(in value: JSONValue, _ names: [String: String]) -> String? {
    if let text = value.string {
      return text.hasPrefix("$") && names[String(text.dropFirst())] == nil ? text : nil
    }
    for element in value.elements {
      if let name = unknownName(in: element, names) { return name }
    }
    for member in value.members {
      if let name = unknownName(in: member.value, names) { return name }
    }
    return nil
  }

  // MARK: Assertions

  private func check(
    _ path: String, _ exists: Bool?, _ fields: JSONValue?, _ names: [String: String],
    _ state: HostState
  ) throws(Problem) {
    let object = state.core.object(try key(path))
    if let exists, exists != (object != nil) {
      throw Problem(.preconditionFailed, "\(path) is \(object == nil ? "not there" : "there")")
    }
    guard let fields else { return }
    guard let object else { throw Problem(.preconditionFailed, "\(path) is not there") }
    if let unknown = Batch.unknownName(in: fields, names) { throw Batch.unknown(unknown) }
    var writer = JSONWriter()
    state.encoder.write(object, to: &writer)
    let shown: JSONDocument
    do throws(JSONParser.Failure) {
      shown = try JSONParser.parse(writer.bytes)
    } catch {
      throw Problem(.internal, "an object was written that is not JSON")
    }
    for field in fields.members {
      let actual = shown.root.member(field.name)
      guard let actual, actual.equals(field.value, substituting: names) else {
        throw Problem(.preconditionFailed, "\(path) has another \(field.name)")
      }
    }
  }

  /// The key of the object at a path, which must be that of an item of a collection.
  private func key(_ path: String) throws(Problem) -> ObjectKey {
    let head = RequestHead(method: .get, target: try Batch.target(path))
    guard case .endpoint(let found) = try call.api.route(head), found.host == call.host.name,
      found.parameters.count == 1,
      let resource = Resource.all.first(where: {
        found.endpoint.operationID == "get" + $0.operationNoun
      })
    else { throw Problem(.unsupported, "\(path) is no object of the batch's host") }
    return ObjectKey(resource.kind, head.target.text(found.parameters[0]))
  }
}

extension JSONValue {
  /// Whether two values mean the same. Members may come in any order, and quantities in any
  /// spelling.
  func equals(_ other: JSONValue, substituting names: [String: String]) -> Bool {
    if let number = quantity, kind == .number || other.kind == .number {
      return number == other.quantity
    }
    guard kind == other.kind else { return false }
    switch kind {
    case .null: return true
    case .bool: return bool == other.bool
    case .number: return rawScalar == other.rawScalar
    case .string:
      let wanted = other.string ?? ""
      let name = wanted.hasPrefix("$") ? names[String(wanted.dropFirst())] : nil
      return string == name ?? wanted
    case .array:
      let (left, right) = (elements, other.elements)
      return left.count == right.count
        && zip(left, right).allSatisfy { $0.equals($1, substituting: names) }
    case .object:
      let (left, right) = (members, other.members)
      return left.count == right.count
        && right.allSatisfy { each in
          member(each.name)?.equals(each.value, substituting: names) ?? false
        }
    }
  }
}
