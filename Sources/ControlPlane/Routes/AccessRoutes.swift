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

  private static let replace = Endpoint(
    "replaceAccessIOAS", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let ioas = reader.reference("ioas", required: true)
      try reader.finish()
      return Change(
        operation: .replaceAccess(access: call.parameters[0], ioas: ioas ?? ""),
        subject: .object(call.key(.access)))
    })

  private static let pin = Endpoint(
    "pinPages", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let iova = reader.hex("iova", required: true)
      let length = reader.hex("length", required: true)
      let isWritten = reader.bool("write")
      try reader.finish()
      return Change(
        operation: .pinPages(
          access: call.parameters[0], iova: iova ?? 0, length: length ?? 0,
          isWritten: isWritten ?? false),
        subject: .object(call.key(.access)))
    })

  private static let unpin = Endpoint(
    "unpinPages",
    .change { call throws(Problem) in
      Change(
        operation: .unpinPages(access: call.parameters[0], number: try call.number()),
        subject: .object(call.key(.access)))
    })
}
