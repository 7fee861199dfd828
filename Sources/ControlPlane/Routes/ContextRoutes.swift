// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// What a process does with an open iommufd besides making objects: its system calls.
enum ContextRoutes {
  static let all: [RouteTable.Route] = [
    .init(.post, "/contexts/{id}/ioctl", ioctl),
    .init(.delete, "/contexts/{id}/file", closeFile),
    .init(.post, "/contexts/{id}/mmaps", map),
    .init(.delete, "/contexts/{id}/mmaps/{number}", unmap),
    .init(.post, "/contexts/{id}/mmaps/{number}/fork", fork),
    .init(
      .get, "/contexts/{id}/mmaps/{number}/{offset}",
      Endpoint("readMemoryMap", query: ["width"], effort: .bounded, .answer(read))),
  ]

  private static let ioctl = Endpoint("callIoctl", changing: .context, body: .json) {
    call throws(Problem) in
    .ioctl(context: call.id, try call.decode(IoctlCoding.decode))
  }

  private static let closeFile = Endpoint("closeContextFile", changing: .context) { call in
    .closeContextFile(context: call.id)
  }

  private static let map = Endpoint("mapMemory", changing: .context, body: .json) {
    call throws(Problem) in
    .mapMemory(context: call.id, try call.decode { MemoryMapRequest($0) })
  }

  private static let unmap = Endpoint("unmapMemory", changing: .context) { call throws(Problem) in
    .unmapMemory(context: call.id, number: try call.number())
  }

  private static let fork = Endpoint("forkMemoryMap", changing: .context) { call throws(Problem) in
    .forkMemoryMap(context: call.id, number: try call.number())
  }

  /// Reads a register through a window that user space has mapped.
  private static func read(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let width = try call.width()
    let offset = try call.offset(2)
    let number = try call.number()
    return try call.host.read { state throws(Problem) in
      let context = try state.find(call.key(.context), as: Context.self)
      guard let map = context.memoryMaps[number] else {
        throw Problem(.notFound, "nothing is mapped under \(number)")
      }
      return try RegisterRoutes.readWindow(of: map.viommu, at: offset, width: width)
    }
  }
}
