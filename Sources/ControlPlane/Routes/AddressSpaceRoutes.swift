// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The mappings of address spaces, and the ranges that are kept free of them.
enum AddressSpaceRoutes {
  static let all: [RouteTable.Route] = [
    .init(.post, "/ioas/{id}/map", map),
    .init(.post, "/ioas/{id}/unmap", unmap),
    .init(.post, "/ioas/{id}/reserved", reserve),
    .init(
      .get, "/ioas/{id}/mappings",
      Endpoint(
        "listMappings", query: ["limit", "cursor"], effort: .growsWithQuery,
        .answer(listMappings))),
  ]

  private static let map = Endpoint("mapIOAS", changing: .ioas, body: .json) {
    call throws(Problem) in
    .map(ioas: call.id, try call.decode(AreaCoding.decodeMap))
  }

  private static let unmap = Endpoint("unmapIOAS", changing: .ioas, body: .json) {
    call throws(Problem) in
    let range = try call.decode { AreaCoding.decodeRange($0) }
    return .unmap(ioas: call.id, iova: range.start, length: range.length)
  }

  private static let reserve = Endpoint("reserveIOVA", changing: .ioas, body: .json) {
    call throws(Problem) in
    let range = try call.decode { AreaCoding.decodeRange($0, from: "start") }
    return .reserve(ioas: call.id, start: range.start, length: range.length)
  }

  /// Lists mappings. A cursor is the address behind the last mapping of a page, in hexadecimal.
  private static func listMappings(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let limit = try call.query.int("limit", in: 1...Listing.largestPage) ?? Listing.usualPage
    var start: UInt64 = 0
    if let cursor = call.query.text("cursor") {
      guard let address = HexText.parse(cursor) else {
        throw QueryReader.invalid("cursor", "is not one that a listing gave out")
      }
      start = address
    }
    return try call.host.read { state throws(Problem) in
      let ioas = try state.find(call.key(.ioas), as: IOAS.self)
      let (areas, next) = ioas.page(from: start, limit: limit)
      let cursor = next.map(HexText.of)
      var response = Response.object(capacity: 1024) { writer in
        writer.key("items")
        writer.array(of: areas) { writer, area in
          writer.object { AreaCoding.writeMembers(of: area, to: &$0) }
        }
        writer.field("next", text: cursor)
      }
      response.linkNext(
        to: call.host.encoder.path(ioas.key) + "/mappings", limit: limit, cursor: cursor)
      return response
    }
  }
}
