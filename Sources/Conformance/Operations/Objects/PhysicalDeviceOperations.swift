// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Operations on real devices, which VFIO binds and attaches.
enum PhysicalDeviceOperations {
  static let all: [OperationDefinition] = [
    .init("vfio_open", ["name", "bdf", "ctx"], open),
    .init("vfio_attach", ["name", "pt"]) { stage, arguments throws(PlayFailure) in
      try AttachmentOperations.attach(stage, arguments, pasid: 0, mode: nil)
    },
    .init("vfio_detach", ["name"]) { stage, arguments throws(PlayFailure) in
      try AttachmentOperations.detach(stage, arguments.name, pasid: 0)
    },
    .init("vfio_close", ["name"]) { stage, arguments throws(PlayFailure) in
      try stage.unplug(arguments.name)
    },
  ]

  /// A PCI address such as `0000:02:01.0`: domain, bus, device and function. The domain is not
  /// kept.
  struct PCIAddress: Equatable {
    var bus: Int
    var device: Int
    var function: Int

    init?(_ text: String) {
      let parts = text.split(separator: ":")
      let slot = parts.last?.split(separator: ".") ?? []
      guard parts.count == 3, slot.count == 2, let bus = Int(parts[1], radix: 16),
        let device = Int(slot[0], radix: 16), let function = Int(slot[1], radix: 16),
        0..<256 ~= bus, 0..<32 ~= device, 0..<8 ~= function
      else { return nil }
      self.bus = bus
      self.device = device
      self.function = function
    }

    /// The ID by which the IOMMU knows the device.
    var sourceID: Int { bus << 8 | device << 3 | function }

    /// The name of the device's IOMMU group; nil for a group of its own. Devices on the root bus
    /// are isolated from each other, and those behind one bridge are not.
    var group: String? { bus == 0 ? nil : "bus-\(bus)" }
  }

  @Sendable private static func open(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let text = try arguments.required("bdf")
    guard let address = PCIAddress(text) else {
      throw .untranslatable("`\(text)` is no PCI address")
    }
    let context = arguments["ctx"].map(ObjectTable.id(of:)) ?? Stage.mainContext
    try stage.openContext(context)
    return try stage.create(.device, arguments.name, context: context) { writer in
      writer.field("smmu", text: Stage.vtdSMMU)
      writer.field("stream_id", int: address.sourceID)
      writer.field("context", text: context)
      if let group = address.group { writer.field("group", text: group) }
    }.outcome
  }
}
