// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// The operation that puts a device into a vIOMMU.
enum VDeviceOperations {
  static let all: [OperationDefinition] = [
    .init("vdevice_alloc", ["name", "viommu", "dev", "virt_id"], allocate)
  ]

  @Sendable private static func allocate(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let name = try arguments.name
    let virtualID = try arguments.number("virt_id", default: 0)
    let viommu = try arguments.required("viommu")
    let device = try arguments.required("dev")
    let deviceReference = try stage.table.resolve(device)
    let made: TableObject?
    let outcome: Outcome
    if deviceReference.isName, try stage.table.resolve(viommu).isName {
      let viommuID = try stage.table.id(viommu, as: .viommu)
      let deviceID = try stage.table.id(device, as: .device)
      (outcome, made) = try stage.create(.vdev, name) { writer in
        writer.field("viommu", text: viommuID)
        writer.field("device", text: deviceID)
        writer.field("virt_id", hex: virtualID)
      }
    } else {
      let argument = StructBytes.argument(
        .u32(try stage.table.number(viommu)), .u32(try stage.table.number(device)), .u32(0),
        .u64(virtualID))
      let (answer, object) = try stage.create(.vdev, name, .vdeviceAlloc, argument)
      (outcome, made) = (answer.outcome, object)
    }
    let number = try stage.table.number(deviceReference)
    made?.device =
      deviceReference.object ?? stage.table.living(objectID: number, in: Stage.mainContext)
    return outcome
  }
}
