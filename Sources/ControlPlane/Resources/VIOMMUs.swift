// SPDX-License-Identifier: Apache-2.0
import HTTPCore
public import IOMMUFD

/// `POST /viommus`
public struct VIOMMURequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for one of the server's.
  public var id: String?
  /// Which vIOMMU (`enum iommu_viommu_type`).
  public var type: VIOMMUType
  /// The device behind whose IOMMU it is to be.
  public var device: String
  /// The nesting parent.
  public var domain: String

  init?(_ reader: ObjectReader, _ scope: DecodingScope) {
    let id = scope.id(reader)
    let type = reader.type("type", of: VIOMMUType.self)
    let device = reader.reference("device", required: true)
    let domain = reader.reference("domain", required: true)
    guard let type, let device, let domain else { return nil }
    self.id = id
    self.type = type
    self.device = device
    self.domain = domain
  }

  /// What the driver is handed: room for where its window is, from the one that says so.
  var data: UserData? {
    type == .tegra241CMDQV ? UserData(type: type.rawValue, words: [0, 0]) : nil
  }

  init(_ viommu: VIOMMU) {
    id = viommu.name
    type = viommu.type
    device = viommu.deviceName
    domain = viommu.parent.name
  }
}

extension Resource {
  static let viommus = Resource(
    kind: .viommu, collection: "viommus",
    decode: { reader, scope in VIOMMURequest(reader, scope).map(Creation.viommu) },
    creation: { object in (object as? VIOMMU).map { .viommu(VIOMMURequest($0)) } },
    write: { object, writer in
      guard let viommu = object as? VIOMMU else { return }
      writer.field("type", text: viommu.type.name)
      writer.field("device", text: viommu.deviceName)
      writer.field("domain", text: viommu.parent.name)
      writer.field("smmu", text: viommu.smmu.name)
    },
    filters: [
      .value("context", VIOMMU.self) { $0.owner.name },
      .value("type", VIOMMU.self, .oneOf(VIOMMUType.named.map(\.name))) { $0.type.name },
      .value("domain", VIOMMU.self) { $0.parent.name },
      .value("smmu", VIOMMU.self) { $0.smmu.name },
    ])
}
