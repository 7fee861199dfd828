// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// Who holds an object, whole and page by page, for objects that show only some of it.
enum PinRoutes {
  static func routes(of resource: Resource) -> [RouteTable.Route] {
    let item = "/" + resource.collection + "/{id}"
    let kind = resource.kind
    let query = ["limit", "cursor"]
    return [
      .init(
        .get, item + "/holders",
        Endpoint(
          "list\(resource.operationNoun)Holders", query: query,
          .answer { call throws(Problem) in try holders(kind, call) })),
      .init(
        .get, item + "/chains",
        Endpoint(
          "list\(resource.operationNoun)Chains", query: query,
          .answer { call throws(Problem) in try chains(kind, call) })),
    ]
  }

  private static func holders(_ kind: ObjectKind, _ call: Call) throws(Problem) -> Response {
    try page(kind, call) { object, _, range, encoder, writer in
      let pins = PinGraph.sorted(object.heldBy)
      writer.array(of: pins[range.clamped(to: 0..<pins.count)]) {
        encoder.write(holder: $1, to: &$0)
      }
      return pins.count
    }
  }

  private static func chains(_ kind: ObjectKind, _ call: Call) throws(Problem) -> Response {
    try page(kind, call) { object, state, range, encoder, writer in
      let chains = PinGraph(policy: state.core.pinPolicy).chains(to: object, range)
      writer.array(of: chains.listed) { encoder.write(chain: $1, to: &$0) }
      return chains.count
    }
  }

  /// - Parameter write: writes the items of a range, and returns how many there are in all.
  private static func page(
    _ kind: ObjectKind, _ call: Call,
    _ write: (Object, HostState, Range<Int>, ObjectEncoder, inout JSONWriter) -> Int
  ) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let limit = try call.query.int("limit", in: 1...Listing.largestPage) ?? Listing.usualPage
    let cursor = try Cursor(call.query.text("cursor"))
    return try call.host.read { state throws(Problem) in
      let object = try state.find(call.key(kind))
      let start = try cursor?.position(at: state.core.committed) ?? 0
      var count = 0
      var next: String?
      var response = Response.object(capacity: 4096) { writer in
        writer.key("items")
        count = write(object, state, start..<start + limit, state.encoder, &writer)
        if start + limit < count {
          next = Cursor(transaction: state.core.committed, start + limit).text
        }
        writer.field("count", int: count)
        writer.field("next", text: next)
      }
      response.linkNext(to: call.path, limit: limit, cursor: next)
      return response
    }
  }

  /// A position among the holders or chains of an object, as of a transaction of the host.
  ///
  /// Pins have no names by which a later page could go on where others have come or gone. So a
  /// cursor counts only as long as nothing has changed on the host.
  private struct Cursor {
    private static let prefix = "at."

    let transaction: UInt64
    let offset: Int

    init(transaction: UInt64, _ offset: Int) {
      self.transaction = transaction
      self.offset = offset
    }

    init?(_ text: String?) throws(Problem) {
      guard let text else { return nil }
      let parts = text.dropFirst(Cursor.prefix.count).split(
        separator: ".", omittingEmptySubsequences: false)
      guard text.hasPrefix(Cursor.prefix), parts.count == 2,
        let transaction = Decimal.parse(parts[0].utf8), let offset = Decimal.parse(parts[1].utf8),
        offset <= Int(UInt32.max)
      else { throw QueryReader.invalid("cursor", "is not one that a listing gave out") }
      self.init(transaction: UInt64(transaction), offset)
    }

    var text: String { "\(Cursor.prefix)\(transaction).\(offset)" }

    /// - Throws: `cursor_expired` when the host has changed since.
    func position(at committed: UInt64) throws(Problem) -> Int {
      if transaction == committed { return offset }
      throw Problem(
        .cursorExpired, "the host has changed since the page before; begin with the first again")
    }
  }
}
