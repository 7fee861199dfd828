// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// What accesses do: they move to another address space, and pin pages.
enum AccessRoutes {
  static let all: [RouteTable.Route] = [
    .init(.put, "/accesses/{id}/ioas", replace),
    .init(.post, "/accesses/{id}/pins", pin),
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
}
