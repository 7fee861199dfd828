// SPDX-License-Identifier: Apache-2.0
import HTTPCore
public import IOMMUFD

/// The two types of domains.
enum DomainType: String, CaseIterable, Sendable {
  case paging, nested
}

/// The body of `POST /domains`.
public struct DomainCreation: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?
  /// The domain that is to be made.
  public var request: DomainRequest

  /// `IOMMU_HWPT_DATA_ARM_SMMUV3`
  private static let steType: UInt32 = 2
  /// `IOMMU_HWPT_DATA_SELFTEST`
  private static let iotlbType: UInt32 = 0xdead

  init(id: String?, request: DomainRequest) {
    self.id = id
    self.request = request
  }

  init?(_ reader: ObjectReader, _ scope: DecodingScope) {
    let id = scope.id(reader)
    let request: DomainRequest? =
      switch reader.choice("type", required: true, of: DomainType.self) {
      case .paging: DomainCreation.paging(reader)
      case .nested: DomainCreation.nested(reader)
      case nil: nil
      }
    guard let request else { return nil }
    self.init(id: id, request: request)
  }

  static func paging(_ reader: ObjectReader) -> DomainRequest? {
    let device = reader.reference("device", required: true)
    let ioas = reader.reference("ioas", required: true)
    var flags = reader.flags([
      ("nest_parent", .nestParent), ("dirty_tracking", .dirtyTracking), ("pasid", .pasid),
    ])
    let faultQueue = reader.reference("fault_queue")
    if faultQueue != nil { flags.insert(.faultIDValid) }
    guard let device, let ioas else { return nil }
    return DomainRequest(
      device: device, pageTable: .ioas(ioas), flags: flags, faultQueue: faultQueue)
  }

  static func nested(_ reader: ObjectReader) -> DomainRequest? {
    let device = reader.reference("device", required: true)
    let pageTable = base(reader)
    let data = data(reader)
    var flags = reader.flags([("pasid", .pasid)])
    let faultQueue = reader.reference("fault_queue")
    if faultQueue != nil { flags.insert(.faultIDValid) }
    guard let device, let pageTable, let data else { return nil }
    return DomainRequest(
      device: device, pageTable: pageTable, flags: flags, data: data, faultQueue: faultQueue)
  }

  /// The vIOMMU or the parent domain that a nested domain is made on.
  private static func base(_ reader: ObjectReader) -> DomainRequest.PageTable? {
    let viommu = reader.reference("viommu")
    let domain = reader.reference("domain")
    guard
      reader.hasOne(
        of: ("viommu", viommu != nil), ("domain", domain != nil),
        notBoth: "name a viommu or a parent domain, not both")
    else { return nil }
    return viommu.map(DomainRequest.PageTable.viommu) ?? domain.map(DomainRequest.PageTable.domain)
  }

  /// The data that the guest hands to the driver. For an SMMUv3 it is two words of a stream table
  /// entry.
  private static func data(_ reader: ObjectReader) -> UserData? {
    let ste = reader.hexArray("ste", count: 2...2)
    let iotlb = reader.hex("iotlb")
    if let iotlb, iotlb > UInt32.max {
      reader.fault(.invalidField, "iotlb", "has 32 bits")
    }
    guard
      reader.hasOne(
        of: ("ste", ste != nil), ("iotlb", iotlb != nil),
        notBoth: "is for a mock IOMMU, and ste for an SMMUv3")
    else { return nil }
    return ste.map { UserData(type: steType, words: $0) }
      ?? iotlb.map { UserData(type: iotlbType, words: [$0]) }
  }

  /// The request that would make the domain again as it is.
  init(_ domain: Domain) {
    let pageTable: DomainRequest.PageTable =
      switch domain.form {
      case .paging(let ioas): .ioas(ioas.name)
      case .nested(let viommu): .viommu(viommu.name)
      case .nestedOnParent(let parent): .domain(parent.name)
      }
    self.init(
      id: domain.name,
      request: DomainRequest(
        device: domain.deviceName, pageTable: pageTable, flags: domain.flags,
        data: domain.userData, faultQueue: domain.faultQueue?.name))
  }
}

extension DomainCreation: ResourceRequest {
  static let kind = ObjectKind.domain
  static let collection = "domains"
  static let operationNoun = "Domain"
  static let filters = [
    filter("context") { $0.owner.name },
    filter("type", oneOf: { $0.isNested ? DomainType.nested : .paging }),
    filter("ioas") { $0.ioas?.name },
    filter("viommu") { $0.viommu?.name },
    filter("auto", .oneOf(["true", "false"])) { String($0.isAuto) },
  ]

  var creation: Creation { .domain(self) }

  static func write(_ domain: Domain, to writer: inout JSONWriter) {
    let type: DomainType = domain.isNested ? .nested : .paging
    writer.field("type", text: type.rawValue)
    writer.field("device", text: domain.deviceName)
    switch domain.form {
    case .paging(let ioas):
      writer.field("ioas", text: ioas.name)
      writer.field("nest_parent", bool: domain.flags.contains(.nestParent))
      writer.field("dirty_tracking", bool: domain.flags.contains(.dirtyTracking))
      writer.field("tracks_dirty", bool: domain.isTrackingDirty)
    case .nested(let viommu): writer.field("viommu", text: viommu.name)
    case .nestedOnParent(let parent): writer.field("domain", text: parent.name)
    }
    if domain.isNested, let data = domain.userData { write(data, to: &writer) }
    writer.field("pasid", bool: domain.flags.contains(.pasid))
    writer.field("fault_queue", text: domain.faultQueue?.name)
    writer.field("auto", bool: domain.isAuto)
  }

  private static func write(_ data: UserData, to writer: inout JSONWriter) {
    let bytes = LittleEndian(data.bytes, size: 16)
    if data.type == steType {
      writer.key("ste")
      writer.array(of: [bytes.u64(0), bytes.u64(8)]) { $0.hex($1) }
    } else {
      writer.field("iotlb", hex: UInt64(bytes.u32(0)))
    }
  }
}

extension ObjectReader {
  /// The flags of those fields that are true.
  fileprivate func flags(_ fields: [(name: String, flag: Domain.Flags)]) -> Domain.Flags {
    fields.reduce(into: []) { flags, field in
      if bool(field.name) ?? false { flags.insert(field.flag) }
    }
  }
}
