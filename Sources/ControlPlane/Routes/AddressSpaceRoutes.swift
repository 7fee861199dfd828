// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The mappings of address spaces.
enum AddressSpaceRoutes {
  static let all: [RouteTable.Route] = [
    .init(.post, "/ioas/{id}/map", map),
    .init(.post, "/ioas/{id}/unmap", unmap),
    .init(.post, "/ioas/{id}/reserved", reserve),
    .init(
      .get, "/ioas/{id}/mappings",
      Endpoint("listMappings", query: ["limit", "cursor"], .answer(listMappings))),
  ]

  private static let map = Endpoint(
    "mapIOAS", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let request = AreaCoding.decodeMap(reader)
      try reader.finish()
      guard let request else { throw Problem(.internal, "a mapping was neither read nor refused") }
      return Change(
        operation: .map(ioas: call.parameters[0], request), subject: .object(call.key(.ioas)))
    })

  private static let unmap = Endpoint(
    "unmapIOAS", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let iova = reader.hex("iova", required: true)
      let length = reader.hex("length", required: true)
      try reader.finish()
      return Change(
        operation: .unmap(ioas: call.parameters[0], iova: iova ?? 0, length: length ?? 0),
        subject: .object(call.key(.ioas)))
    })

  private static let reserve = Endpoint(
    "reserveIOVA", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let start = reader.hex("start", required: true)
      let length = reader.hex("length", required: true)
      try reader.finish()
      return Change(
        operation: .reserve(ioas: call.parameters[0], start: start ?? 0, length: length ?? 0),
        subject: .object(call.key(.ioas)))
    })

  /// A cursor is the address behind the last mapping of a page, in hex.
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
      var writer = JSONWriter(capacity: 1024)
      writer.object { writer in
        writer.key("items")
        writer.array(of: areas) { writer, area in
          writer.object { AreaCoding.writeMembers(of: area, to: &$0) }
        }
        writer.field("next", text: next.map(HexText.of))
      }
      var response = Response(status: 200, json: writer.bytes)
      response.linkNext(
        to: call.host.encoder.path(ioas.key) + "/mappings", limit: limit,
        cursor: next.map(HexText.of))
      return response
    }
  }
}
