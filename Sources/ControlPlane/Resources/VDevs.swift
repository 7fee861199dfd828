// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The body of `POST /vdevs`.
public struct VDevRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?
  /// The vIOMMU that the device is to be in.
  public var viommu: String
  /// The device.
  public var device: String
  /// The ID that the guest has for the device, such as its stream ID there.
  public var virtualID: UInt64

  init?(_ reader: ObjectReader, _ scope: DecodingScope) {
    let id = scope.id(reader)
    let viommu = reader.reference("viommu", required: true)
    let device = reader.reference("device", required: true)
    let virtualID = reader.hex("virt_id", required: true)
    guard let viommu, let device, let virtualID else { return nil }
    self.id = id
    self.viommu = viommu
    self.device = device
    self.virtualID = virtualID
  }

  init(_ vdev: VDevice) {
    id = vdev.name
    viommu = vdev.viommu.name
    device = vdev.device.name
    virtualID = vdev.virtualID
  }
}

extension VDevRequest: ResourceRequest {
  static let kind = ObjectKind.vdev
  static let collection = "vdevs"
  static let operationNoun = "VDev"
  static let filters = [
    filter("context") { $0.owner.name },
    filter("viommu") { $0.viommu.name },
    filter("device") { $0.device.name },
    filter("virt_id", .hex) { HexText.of($0.virtualID) },
  ]

  var creation: Creation { .vdev(self) }

  static func write(_ vdev: VDevice, to writer: inout JSONWriter) {
    writer.field("viommu", text: vdev.viommu.name)
    writer.field("device", text: vdev.device.name)
    writer.field("virt_id", hex: vdev.virtualID)
  }
}
