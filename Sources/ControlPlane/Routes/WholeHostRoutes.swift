// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// Routes that are about a host as a whole: its events, its graph, batches, reset.
enum WholeHostRoutes {
  static let all: [RouteTable.Route] = [
    .init(
      .get, "/events",
      Endpoint(
        "getEvents", query: ["after", "follow", "snapshot", "limit", "kind", "id", "type"],
        effort: .bounded,
        .answer(events))),
    .init(.get, "/graph", Endpoint("getGraph", query: ["format"], .answer(graph))),
    .init(
      .post, "/batch",
      Endpoint(
        "runBatch", needs: .write, query: ["dry_run"], body: .json,
        .answer { call throws(Problem) in try Batch(call).run() })),
    .init(
      .post, "/reset",
      Endpoint(
        "resetHost", needs: .write, query: ["dry_run"], effort: .long, .answer(reset))),
  ]

  // MARK: Events

  private static func events(_ call: Call) throws(Problem) -> Response {
    let type = try Accept.require([MediaType.ndjson, MediaType.eventStream], call.request)
    let isFollowing = try call.query.bool("follow")
    let limit = try call.query.int("limit", in: 1...100_000)
    if isFollowing, limit != nil {
      throw QueryReader.invalid("limit", "does not go with follow=true")
    }
    let hasSnapshot = try call.query.bool("snapshot")
    let after = try position(call)
    if hasSnapshot, after != nil {
      throw QueryReader.invalid("snapshot", "shows what is now, and does not go with after")
    }
    // A snapshot shows the present, so that the events that led there would only repeat it.
    let start = hasSnapshot ? .latest : after ?? .oldest
    let (found, extent) = open(call.host.log, start, try filter(call))
    guard var cursor = found else { throw expired(extent) }
    if let limit { cursor.remaining = limit }
    if !isFollowing { cursor.end = extent.latest }
    let headers: [(Response.HeaderName, String)] = [
      (.contentType, type), (.cacheControl, "no-store"),
    ]
    let stream = EventLogStream(
      log: call.host.log, cursor: cursor, extent: extent,
      format: type == MediaType.ndjson ? .ndjson : .eventStream, isFollowing: isFollowing,
      snapshot: hasSnapshot
        ? HostSnapshot(
          host: call.host, filter: try filter(call), workers: call.api.configuration.workers) : nil)
    return Response(status: 200, headers: headers, body: .stream(stream))
  }

  private enum Position: Equatable {
    case oldest
    case latest
    case after(UInt64)
  }

  /// The value of `after` in the query, or of `Last-Event-ID`, which an EventSource sends when it
  /// connects again.
  private static func position(_ call: Call) throws(Problem) -> Position? {
    let header = try position(call.request.head.headers[.lastEventID], at: "Last-Event-ID")
    return try position(call.query.text("after"), at: "?after") ?? header
  }

  private static func position(
    _ text: String?, at place: String
  ) throws(Problem) -> Position? {
    guard let text else { return nil }
    if text == "latest" { return .latest }
    guard let seq = Decimal.parse(text.utf8) else {
      throw Problem(faults: [
        .init(.invalidField, at: place, "must be a sequence number or latest")
      ])
    }
    return .after(UInt64(seq))
  }

  private static func open(
    _ log: EventLog, _ position: Position, _ filter: EventFilter
  ) -> (EventLog.Cursor?, EventLog.Extent) {
    switch position {
    case .oldest: log.cursor(after: nil, filter: filter)
    case .latest: log.cursorAtEnd(filter: filter)
    case .after(let seq): log.cursor(after: seq, filter: filter)
    }
  }

  private static func expired(_ extent: EventLog.Extent) -> Problem {
    var problem = Problem(
      .cursorExpired,
      "events \(extent.oldest) to \(extent.latest) of epoch e\(extent.epoch) are kept")
    problem.members = { writer in
      writer.field("epoch", text: "e\(extent.epoch)")
      writer.field("oldest", int: Int(extent.oldest))
      writer.field("latest", int: Int(extent.latest))
    }
    return problem
  }

  private static func filter(_ call: Call) throws(Problem) -> EventFilter {
    var filter = EventFilter()
    filter.kind = try call.query.choice("kind", of: ObjectKind.self)
    filter.id = call.query.text("id")
    if let id = filter.id, !Identifier.isValid(id.utf8) {
      throw QueryReader.invalid("id", Identifier.rule)
    }
    if let name = call.query.text("type") {
      guard let type = EventType.byName[name] else {
        throw QueryReader.invalid("type", "is no type of events")
      }
      filter.type = type
    }
    return filter
  }

  // MARK: Graph

  private static func graph(_ call: Call) throws(Problem) -> Response {
    let format = try call.query.choice("format", of: Graph.Format.self) ?? .json
    try Accept.require([format.mediaType], call.request)
    let body = try call.host.read { state throws(Problem) in
      Graph(state.core).text(format)
    }
    return Response(
      status: 200, headers: [(.contentType, format.mediaType)], body: .bytes(body))
  }

  // MARK: Reset

  private static func reset(_ call: Call) throws(Problem) -> Response {
    try HostRoutes.answeringOnce(call, call.host.name) { conditions throws(Problem) in
      let outline = conditions.isDryRun ? try call.host.outlineOfReset() : try call.host.reset()
      return HostCoding.response(call.host, outline, status: 200)
    }
  }
}
