// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// The operation that makes a vIOMMU, which is a VM's slice of an IOMMU.
enum VIOMMUOperations {
  static let all: [OperationDefinition] = [
    .init(
      "viommu_alloc", ["name", "dev", "hwpt", "flags", "type", "data", "len", "in"], allocate)
  ]

  static let typeNames: [String: UInt64] = [
    "default": 0, "selftest": UInt64(Selftest.viommuType),
  ]

  /// The input in the driver's data when a script says that there is data, but not what it is.
  private static let usualInput: UInt32 = 0xbeef

  @Sendable private static func allocate(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let name = try arguments.name
    let device = try arguments.required("dev")
    let parent = try arguments.required("hwpt")
    let isDeviceNamed = try stage.table.resolve(device).isName
    let isParentNamed = try stage.table.resolve(parent).isName
    if isDeviceNamed, isParentNamed, arguments.lacks("flags", "type", "data", "len", "in") {
      let (device, parent) = (
        try stage.table.id(device, as: .device), try stage.table.id(parent, as: .domain)
      )
      return try stage.create(.viommu, name) { writer in
        writer.field("type", text: "selftest")
        writer.field("device", text: device)
        writer.field("domain", text: parent)
      }.outcome
    }
    return try allocateByIOCTL(stage, arguments, name, device, parent)
  }

  private static func allocateByIOCTL(
    _ stage: Stage, _ arguments: Arguments, _ name: String, _ device: String, _ parent: String
  ) throws(PlayFailure) -> Outcome {
    let type = try arguments.flags("type", typeNames) ?? UInt64(Selftest.viommuType)
    let hasData = try arguments.isOn("data")
    let data = Selftest.viommuData(in: try arguments.u32("in", default: usualInput))
    let length = try arguments.u32("len", default: hasData ? UInt32(data.count) : 0)
    let argument = StructBytes.argument(
      .u32(try arguments.u32("flags", default: 0)), .u32(UInt32(truncatingIfNeeded: type)),
      .u32(try stage.table.number(device)), .u32(try stage.table.number(parent)), .u32(0),
      .u32(length), .u32(0), .u64(hasData ? IOCTLMemory.address : 0))
    let memory = IOCTLMemory(bytes: StructBytes.padded(data, to: Int(min(length, 1 << 16))))
    let made = try stage.create(
      .viommu, name, .viommuAlloc, argument, memory: hasData ? memory : nil)
    guard let viommu = made.object, hasData else { return made.answer.outcome }
    let written = try made.answer.data()
    guard let output = StructBytes.u32(written, at: Selftest.VIOMMUData.outData),
      let offset = StructBytes.u64(written, at: Selftest.VIOMMUData.mmapOffset),
      let size = StructBytes.u64(written, at: Selftest.VIOMMUData.mmapLength)
    else { throw .unexpected("the answer's `memory` is too short for a vIOMMU's data") }
    viommu.mmapOffset = offset
    viommu.mmapLength = size
    return .success(["out_data": .number(UInt64(output)), "mmap_length": .number(size)])
  }
}
