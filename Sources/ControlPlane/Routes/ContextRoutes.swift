// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// What a process does with an open iommufd besides making objects: system calls.
enum ContextRoutes {
  static let all: [RouteTable.Route] = [
    .init(.post, "/contexts/{id}/ioctl", ioctl),
    .init(.delete, "/contexts/{id}/file", closeFile),
    .init(.post, "/contexts/{id}/mmaps", map),
    .init(.delete, "/contexts/{id}/mmaps/{number}", unmap),
    .init(.post, "/contexts/{id}/mmaps/{number}/fork", fork),
    .init(
      .get, "/contexts/{id}/mmaps/{number}/{offset}",
      Endpoint("readMemoryMap", query: ["width"], .answer(read))),
  ]

  private static let ioctl = Endpoint(
    "callIoctl", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let request = IoctlCoding.decode(reader)
      try reader.finish()
      guard let request else { throw Problem(.internal, "a call was neither read nor refused") }
      return Change(
        operation: .ioctl(context: call.parameters[0], request),
        subject: .object(call.key(.context)))
    })

  private static let closeFile = Endpoint(
    "closeContextFile",
    .change { call throws(Problem) in
      Change(
        operation: .closeContextFile(context: call.parameters[0]),
        subject: .object(call.key(.context)))
    })

  private static let map = Endpoint(
    "mapMemory", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let request = MemoryMapRequest(reader)
      try reader.finish()
      guard let request else { throw Problem(.internal, "a mapping was neither read nor refused") }
      return Change(
        operation: .mapMemory(context: call.parameters[0], request),
        subject: .object(call.key(.context)))
    })

  private static let unmap = Endpoint(
    "unmapMemory",
    .change { call throws(Problem) in
      Change(
        operation: .unmapMemory(context: call.parameters[0], number: try call.number()),
        subject: .object(call.key(.context)))
    })

  private static let fork = Endpoint(
    "forkMemoryMap",
    .change { call throws(Problem) in
      Change(
        operation: .forkMemoryMap(context: call.parameters[0], number: try call.number()),
        subject: .object(call.key(.context)))
    })

  /// Reads a register through what user space has mapped.
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
      return try HardwareRoutes.readWindow(of: map.viommu, at: offset, width: width)
    }
  }
}
