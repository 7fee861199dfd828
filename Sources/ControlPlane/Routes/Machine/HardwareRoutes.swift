// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import IOMMUHardware

/// The hardware and what is done to it past the objects: registers, memory, commands, accesses.
enum HardwareRoutes {
  static let all: [RouteTable.Route] = [
    .init(
      .get, "/smmus/{id}/mmio/{offset}",
      Endpoint("readRegister", query: ["width"], .answer(readRegister))),
    .init(.put, "/smmus/{id}/mmio/{offset}", writeRegister),
    .init(
      .get, "/ioas/{id}/memory",
      Endpoint("readMemory", query: ["iova", "length"], .answer(readMemory))),
    .init(.put, "/ioas/{id}/memory", writeMemory),
    .init(
      .get, "/viommus/{id}/mmio/{offset}",
      Endpoint("readWindow", query: ["width"], .answer(readWindow))),
    .init(.put, "/viommus/{id}/mmio/{offset}", writeWindow),
    .init(.post, "/viommus/{id}/invalidate", invalidate),
    .init(.post, "/hw-queues/{id}/submit", submit),
    .init(.post, "/devices/{id}/dma", dma),
    .init(.put, "/devices/{id}/traffic", startTraffic),
    .init(.get, "/devices/{id}/traffic", Endpoint("getTraffic", .answer(showTraffic))),
    .init(.delete, "/devices/{id}/traffic", stopTraffic),
  ]

  // MARK: Registers

  private static func readRegister(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let width = try call.width()
    let offset = try call.offset(1)
    return try call.host.read { state throws(Problem) in
      let smmu = try state.find(call.key(.smmu), as: SMMU.self)
      do throws(Refusal) {
        let value = try smmu.driver.requireRegisters().readRegister(offset, width: width)
        var writer = JSONWriter()
        writer.object { $0.field("value", hex: value) }
        return Response(status: 200, json: writer.bytes)
      } catch {
        throw Problem(error.placedForRegister())
      }
    }
  }

  private static let writeRegister = Endpoint(
    "writeRegister", query: ["width"], body: .json,
    .change { call throws(Problem) in
      let (offset, value, width) = try registerWrite(call)
      return Change(
        operation: .writeRegister(
          smmu: call.parameters[0], offset: offset, value: value, width: width),
        subject: .object(call.key(.smmu)))
    })

  private static func registerWrite(
    _ call: Call
  ) throws(Problem) -> (offset: UInt64, value: UInt64, width: Int) {
    let width = try call.width()
    let offset = try call.offset(1)
    let reader = try call.reader()
    let value = reader.hex("value", required: true)
    if let value, width == 4, value > UInt32.max {
      reader.fault(.invalidField, "value", "has more than 32 bits; ask for ?width=64")
    }
    try reader.finish()
    return (offset, value ?? 0, width)
  }

  // MARK: Windows

  private static func readWindow(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let width = try call.width()
    let offset = try call.offset(1)
    return try call.host.read { state throws(Problem) in
      let viommu = try state.find(call.key(.viommu), as: VIOMMU.self)
      return try readWindow(of: viommu, at: offset, width: width)
    }
  }

  static func readWindow(
    of viommu: VIOMMU, at offset: UInt64, width: Int
  ) throws(Problem) -> Response {
    do throws(Refusal) {
      let value = try viommu.ops.readWindow(of: viommu, at: offset, width: width)
      var writer = JSONWriter()
      writer.object { $0.field("value", hex: value) }
      return Response(status: 200, json: writer.bytes)
    } catch {
      throw Problem(error.placedForRegister())
    }
  }

  private static let writeWindow = Endpoint(
    "writeWindow", query: ["width"], body: .json,
    .change { call throws(Problem) in
      let (offset, value, width) = try registerWrite(call)
      return Change(
        operation: .writeWindow(
          viommu: call.parameters[0], offset: offset, value: value, width: width),
        subject: .object(call.key(.viommu)))
    })

  // MARK: Memory

  /// Bytes of memory that one request reads; a body limits what one writes.
  private static let memoryLimit = 8 << 20

  private static func iova(_ call: Call) throws(Problem) -> UInt64 {
    guard let iova = call.query.text("iova").flatMap(HexText.parse) else {
      throw QueryReader.invalid("iova", "must be 0x and 1 to 16 hex digits")
    }
    return iova
  }

  private static func readMemory(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.octets], call.request)
    let iova = try iova(call)
    guard let length = try call.query.int("length", in: 1...memoryLimit) else {
      throw QueryReader.invalid("length", "must be 1 to \(memoryLimit)")
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
      status: 200, headers: [(.contentType, MediaType.octets), (.cacheControl, "no-store")],
      body: .bytes(bytes))
  }

  private static let writeMemory = Endpoint(
    "writeMemory", query: ["iova"], body: .octets,
    .change { call throws(Problem) in
      let iova = try iova(call)
      guard !call.request.body.isEmpty else {
        throw Problem(faults: [.init(.invalidField, at: "", "the body is what is written")])
      }
      return Change(
        operation: .writeMemory(
          ioas: call.parameters[0], iova: iova, bytes: call.request.body),
        subject: .object(call.key(.ioas)))
    })

  // MARK: Guests

  /// Commands of one request; as many as the kernel takes would not fit into a body.
  private static let commandLimit = 65_536

  private static let invalidate = Endpoint(
    "invalidate", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let elements = reader.array("commands", required: true, count: 0...commandLimit) ?? []
      let commands = elements.enumerated().compactMap { position, element in
        CommandCoding.decode(element, reader, "commands", position)
      }
      try reader.finish()
      return Change(
        operation: .invalidate(viommu: call.parameters[0], commands: commands),
        subject: .object(call.key(.viommu)))
    })

  /// Commands that the answer to one submission describes.
  private static let descriptionLimit = 65_536
  private static let usualDescriptions = 1000

  private static let submit = Endpoint(
    "submitCommands", query: ["describe"], body: .jsonOrOctets,
    .change { call throws(Problem) in
      let described =
        try call.query.int("describe", in: 0...descriptionLimit) ?? usualDescriptions
      let commands =
        try call.hasOctets
        ? SubmissionCoding.decode(call.request.body) : decodeCommands(call)
      return Change(
        operation: .submit(
          queue: call.parameters[0], commands: commands, described: described),
        subject: .object(call.key(.hwQueue)))
    })

  private static func decodeCommands(_ call: Call) throws(Problem) -> [[UInt64]] {
    let reader = try call.reader()
    let elements = reader.array("commands", required: true, count: 1...commandLimit) ?? []
    let commands = elements.enumerated().compactMap { position, element in
      CommandCoding.decode(element, reader, "commands", position)
    }
    try reader.finish()
    return commands
  }

  // MARK: Devices

  private static let dma = Endpoint(
    "accessMemory", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let request = DMACoding.decode(reader)
      try reader.finish()
      guard let request else { throw Problem(.internal, "an access was neither read nor refused") }
      return Change(
        operation: .dma(device: call.parameters[0], request), subject: .object(call.key(.device)))
    })

  private static let startTraffic = Endpoint(
    "startTraffic", body: .json,
    .change { call throws(Problem) in
      let reader = try call.reader()
      let settings = TrafficSettings(reader)
      try reader.finish()
      guard let settings else { throw Problem(.internal, "traffic was neither read nor refused") }
      return Change(
        operation: .startTraffic(device: call.parameters[0], settings),
        subject: .object(call.key(.device)))
    })

  private static func showTraffic(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    return try call.host.read { state throws(Problem) in
      let device = try state.find(call.key(.device))
      guard let generator = state.traffic[device.name] else {
        throw Problem(.notFound, "device \(device.name) sends no traffic")
      }
      var writer = JSONWriter()
      writer.object { generator.write(to: &$0) }
      return Response(
        status: 200, headers: [(.contentType, MediaType.json), (.cacheControl, "no-store")],
        body: .bytes(writer.bytes))
    }
  }

  private static let stopTraffic = Endpoint(
    "stopTraffic",
    .change { call throws(Problem) in
      Change(
        operation: .stopTraffic(device: call.parameters[0]), subject: .object(call.key(.device)))
    })
}
