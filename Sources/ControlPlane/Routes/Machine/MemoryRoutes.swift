// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The memory behind address spaces, as bytes.
enum MemoryRoutes {
  static let all: [RouteTable.Route] = [
    .init(
      .get, "/ioas/{id}/memory",
      Endpoint("readMemory", query: ["iova", "length"], effort: .growsWithQuery, .answer(read))),
    .init(.put, "/ioas/{id}/memory", write),
  ]

  /// Bytes that one request may read. What it may write is limited as any body is.
  private static let readLimit = 8 << 20

  private static func iova(_ call: Call) throws(Problem) -> UInt64 {
    guard let iova = call.query.text("iova").flatMap(HexText.parse) else {
      throw QueryReader.invalid("iova", "must be 0x and 1 to 16 hex digits")
    }
    return iova
  }

  private static func read(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.octets], call.request)
    let iova = try iova(call)
    guard let length = try call.query.int("length", in: 1...readLimit) else {
      throw QueryReader.invalid("length", "must be 1 to \(readLimit)")
    }
    let bytes = try call.host.read { state throws(Problem) in
      let ioas = try state.find(call.key(.ioas), as: IOAS.self)
      do throws(Refusal) {
        return try state.performer.memory.read(ioas, iova, length)
      } catch {
        throw Problem(error.moved("length", to: "?length"))
      }
    }
    return Response(
      status: 200, headers: [(.contentType, MediaType.octets)], body: .bytes(bytes)
    ).notStored()
  }

  private static let write = Endpoint(
    "writeMemory", changing: .ioas, query: ["iova"], body: .octets
  ) { call throws(Problem) in
    let iova = try iova(call)
    guard !call.request.body.isEmpty else {
      throw Problem(faults: [.init(.invalidField, at: "", "the body is what is written")])
    }
    return .writeMemory(ioas: call.id, iova: iova, bytes: call.request.body)
  }
}
