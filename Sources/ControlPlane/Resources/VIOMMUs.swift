// SPDX-License-Identifier: Apache-2.0
import HTTPCore
public import IOMMUFD

/// The body of `POST /viommus`.
public struct VIOMMURequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?
  /// The type of the vIOMMU (`enum iommu_viommu_type`).
  public var type: VIOMMUType
  /// The device behind whose IOMMU it is to be.
  public var device: String
  /// The nesting parent domain, which is the vIOMMU's stage 2.
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

  /// The data that the driver is handed. The one for CMDQV returns in it where the vIOMMU's window
  /// is.
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

extension VIOMMURequest: ResourceRequest {
  static let kind = ObjectKind.viommu
  static let collection = "viommus"
  static let operationNoun = "VIOMMU"
  static let changesSilently = true
  static let filters = [
    filter("context") { $0.owner.name },
    filter("type", .oneOf(VIOMMUType.named.map(\.name))) { $0.type.name },
    filter("domain") { $0.parent.name },
    filter("smmu") { $0.smmu.name },
  ]

  var creation: Creation { .viommu(self) }

  static func write(_ viommu: VIOMMU, to writer: inout JSONWriter) {
    writer.field("type", text: viommu.type.name)
    writer.field("device", text: viommu.deviceName)
    writer.field("domain", text: viommu.parent.name)
    writer.field("smmu", text: viommu.smmu.name)
  }
}
