// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// Operations on devices of the self-test driver, and on what devices report.
enum DeviceOperations {
  static let all: [OperationDefinition] = [
    .init("create_mock_domain", ["name", "pt", "flags"], create),
    .init("destroy_device", ["name", "force"], destroy),
    .init("hw_info", ["dev", "flags", "in_type"], hardwareInfo),
    .init("trigger_vevent", ["dev"], triggerEvent),
    .init("trigger_iopf", ["dev", "pasid", "grpid", "addr", "perm"], triggerFault),
  ]

  /// The values of `MOCK_FLAGS_DEVICE_*`, and the names that scripts have for them.
  private enum MockFlag {
    static let noDirty: UInt64 = 1
    static let hugeIOVA: UInt64 = 2
    static let pasid: UInt64 = 4
    static let names: [String: UInt64] = [
      "no_dirty": noDirty, "huge_iova": hugeIOVA, "pasid": pasid,
    ]
  }

  /// The width of a PASID, in bits, of a mock device that has PASIDs.
  private static let mockPASIDBits = 20

  /// Plugs a device in, binds it and attaches it.
  ///
  /// The self-test driver does all of this in one call, which leaves nothing behind if it fails. So
  /// here it is one batch.
  @Sendable private static func create(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let flags = try arguments.flags("flags", MockFlag.names) ?? 0
    if flags & MockFlag.hugeIOVA != 0 {
      throw .untranslatable("a mock device with huge addresses has no place in the API")
    }
    let name = try arguments.name
    let id = ObjectTable.id(of: name)
    let streamID = stage.nextStreamID()
    let target = try AttachmentOperations.target(stage, arguments.required("pt"))
    let unknown = flags & ~(MockFlag.noDirty | MockFlag.pasid)
    let device = HostClient.object { writer in
      writer.field("id", text: id)
      writer.field("smmu", text: Stage.mockSMMU)
      writer.field("stream_id", int: streamID)
      writer.field("pasid_bits", int: flags & MockFlag.pasid != 0 ? mockPASIDBits : 0)
      writer.field("dirty_tracking", bool: flags & MockFlag.noDirty == 0)
      // No field of the API stands for such a flag. The server refuses an unknown field as the
      // driver refuses the flag, with EINVAL.
      if unknown != 0 { writer.field("mock_flags", hex: unknown) }
    }
    let prefix = stage.client.prefix
    let reply = try stage.client.post("/batch") { writer in
      writer.key("operations")
      writer.array(of: [
        ("POST", prefix + "/devices", device),
        ("PUT", prefix + "/devices/\(id)/attachment?mode=attach", target),
      ]) { writer, operation in
        writer.object { writer in
          writer.field("method", text: operation.0)
          writer.field("path", text: operation.1)
          writer.key("body")
          writer.raw(operation.2.bytes)
        }
      }
    }
    if let refusal = reply.refusal(trusting: unknown == 0 ? [] : ["unknown_field"]) {
      return refusal
    }
    let results = reply.json?.member("results")?.elements ?? []
    guard results.count == 2, let shown = results[1].member("body") else {
      throw .unexpected("the batch has not answered with two results")
    }
    let object = TableObject(
      name, .device, id: id, objectID: Stage.objectID(shown), context: Stage.mainContext)
    object.selftestID = shown.member("hardware")?.member("selftest_id")?.quantity
      .flatMap { UInt32(exactly: $0) }
    stage.table.insert(object)
    return try AttachmentOperations.attached(stage, shown, pasid: 0)
  }

  @Sendable private static func destroy(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    try stage.unplug(arguments.name)
  }

  /// How many bytes to ask for: the size of `struct iommu_test_hw_info`. Of another driver's data
  /// these are the first ones.
  private static let hardwareInfoSize = 8

  @Sendable private static func hardwareInfo(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let inputType = try arguments.number("in_type").map { UInt32(truncatingIfNeeded: $0) }
    let flags = try arguments.u32("flags", default: 0) | (inputType == nil ? 0 : 1)
    let argument = StructBytes.argument(
      .u32(flags), .u32(try stage.table.number(arguments.required("dev"))),
      .u32(UInt32(hardwareInfoSize)), .u64(IOCTLMemory.address), .u32(inputType ?? 0),
      .u8(0), .u8(0), .u8(0), .u8(0), .u64(0))
    let room = IOCTLMemory(bytes: Array(repeating: 0, count: hardwareInfoSize))
    let answer = try stage.ioctl(.getHWInfo, argument, memory: room)
    if answer.outcome.errno != nil { return answer.outcome }
    guard let argument = answer.argument,
      let bits = StructBytes.u8(argument, at: ArgumentOffset.hwInfoPASIDBits),
      let register = StructBytes.u32(try answer.data(), at: 4)
    else { throw .unexpected("the answer's `argument` or `memory` is too short") }
    return .success([
      "type": .number(UInt64(try answer.u32(at: ArgumentOffset.hwInfoType))),
      "reg": .number(UInt64(register)), "max_pasid_log2": .number(UInt64(bits)),
      "caps": .number(try answer.u64(at: ArgumentOffset.hwInfoCapabilities)),
    ])
  }

  // MARK: Reports

  @Sendable private static func triggerEvent(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let id = try stage.table.id(arguments.required("dev"), as: .device)
    let reply = try stage.client.post("/devices/\(id)/hardware-events") { writer in
      writer.key("record")
      // The driver fills the record in by itself.
      writer.array(of: [UInt64(0)]) { $0.hex($1) }
    }
    if let refusal = reply.refusal { return refusal }
    guard reply.json?.member("disposition")?.string == "logged" else { return .success }
    return Outcome(
      errno: try reply.member("errno").string, detail: "the event was logged, not forwarded")
  }

  /// The address of the page that the self-test driver requests, and the rights that it requests
  /// for it: to read and to write.
  private static let mockAddress: UInt64 = 0xdead_beaf
  private static let mockPermissions: UInt64 = 3

  @Sendable private static func triggerFault(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let id = try stage.table.id(arguments.required("dev"), as: .device)
    // PASID 0 means a request without a PASID (`IOMMU_NO_PASID`).
    let pasid = try arguments.number("pasid", default: 0)
    let group = try arguments.number("grpid", default: 0)
    let address = try arguments.number("addr", default: mockAddress)
    let permissions = try arguments.number("perm", default: mockPermissions)
    return Outcome(
      try stage.client.post("/devices/\(id)/page-requests") { writer in
        if pasid != 0 { writer.field("pasid", int: Int(truncatingIfNeeded: pasid)) }
        writer.field("group", int: Int(truncatingIfNeeded: group))
        writer.key("pages")
        writer.array(of: [address]) { writer, address in
          writer.object { writer in
            writer.field("address", hex: address)
            writer.field("read", bool: permissions & 1 != 0)
            writer.field("write", bool: permissions & 2 != 0)
            if permissions & 4 != 0 { writer.field("execute", bool: true) }
            if permissions & 8 != 0 { writer.field("privileged", bool: true) }
          }
        }
      })
  }
}
