// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// What accesses do: they move to another address space, and pin pages.
enum AccessRoutes {
  static let all: [RouteTable.Route] = [
    .init(.put, "/accesses/{id}/ioas", replace),
    .init(.post, "/accesses/{id}/pins", pin),
    .init(
      .get, "/accesses/{id}/pins",
      Endpoint(
        "listPinnedPages", query: ["limit", "cursor"], effort: .growsWithQuery, .answer(list))),
    .init(.delete, "/accesses/{id}/pins/{number}", unpin),
  ]

  private static let replace = Endpoint("replaceAccessIOAS", changing: .access, body: .json) {
    call throws(Problem) in
    let ioas = try call.decode { $0.reference("ioas", required: true) }
    return .replaceAccess(access: call.id, ioas: ioas)
  }

  private static let pin = Endpoint("pinPages", changing: .access, body: .json) {
    call throws(Problem) in
    let (range, isWritten) = try call.decode { reader in
      let range = AreaCoding.decodeRange(reader)
      let isWritten = reader.bool("write") ?? false
      return range.map { ($0, isWritten) }
    }
    return .pinPages(
      access: call.id, iova: range.start, length: range.length, isWritten: isWritten)
  }

  private static let unpin = Endpoint("unpinPages", changing: .access) { call throws(Problem) in
    .unpinPages(access: call.id, number: try call.number())
  }

  private static let cursorPrefix = "after."

  /// A cursor is the number of the last range of a page.
  private static func list(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let limit = try call.query.int("limit", in: 1...Listing.largestPage) ?? Listing.usualPage
    var last: UInt32?
    if let cursor = call.query.text("cursor") {
      let digits = cursor.dropFirst(cursorPrefix.count)
      guard cursor.hasPrefix(cursorPrefix),
        let number = Decimal.parse(digits.utf8)
      else { throw QueryReader.invalid("cursor", "is not one that a listing gave out") }
      last = UInt32(clamping: number)
    }
    return try call.host.read { state throws(Problem) in
      guard let access = try state.find(call.key(.access)) as? Access else {
        throw Problem(.notFound, "there is no access \(call.id)")
      }
      let shown = access.pinned.page(behind: last, limit: limit)
      let isWhole = shown.endIndex == access.pinned.count
      let next = isWhole ? nil : shown.last.map { "\(cursorPrefix)\($0.number)" }
      var response = Response.object(capacity: 1024) { writer in
        writer.key("items")
        writer.array(of: shown) { AccessRequest.write($1, to: &$0) }
        writer.field("count", int: access.pinned.count)
        writer.field("next", text: next)
      }
      response.linkNext(to: call.path, limit: limit, cursor: next)
      return response
    }
  }
}
