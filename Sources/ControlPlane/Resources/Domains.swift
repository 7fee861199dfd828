// SPDX-License-Identifier: Apache-2.0
import HTTPCore
public import IOMMUFD

/// The two types of domains.
enum DomainType: String, CaseIterable, Sendable {
  case paging, nested
}

/// `POST /domains`
public struct DomainCreation: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for one of the server's.
  public var id: String?
  /// What the domain is to be.
  public var request: DomainRequest

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
    var flags: Domain.Flags = []
    if reader.bool("nest_parent") ?? false { flags.insert(.nestParent) }
    if reader.bool("dirty_tracking") ?? false { flags.insert(.dirtyTracking) }
    if reader.bool("pasid") ?? false { flags.insert(.pasid) }
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
    var flags: Domain.Flags = []
    if reader.bool("pasid") ?? false { flags.insert(.pasid) }
    let faultQueue = reader.reference("fault_queue")
    if faultQueue != nil { flags.insert(.faultIDValid) }
    guard let device, let pageTable, let data else { return nil }
    return DomainRequest(
      device: device, pageTable: pageTable, flags: flags, data: data, faultQueue: faultQueue)
  }

  /// What a nested domain is made on.
  private static func base(_ reader: ObjectReader) -> DomainRequest.PageTable? {
    let viommu = reader.reference("viommu")
    let domain = reader.reference("domain")
    switch (viommu, domain) {
    case (let viommu?, nil): return .viommu(viommu)
    case (nil, let domain?): return .domain(domain)
    case (nil, nil):
      if reader.lacks("viommu"), reader.lacks("domain") {
        reader.fault(.invalidField, "viommu", "required field is missing")
      }
    case (.some, .some):
      reader.fault(.invalidField, "domain", "name a viommu or a parent domain, not both")
    }
    return nil
  }

  /// What the guest hands to the driver: to an SMMUv3 two words of its stream table entry.
  private static func data(_ reader: ObjectReader) -> UserData? {
    let ste = reader.hexArray("ste", count: 2...2)
    let iotlb = reader.hex("iotlb")
    if let iotlb, iotlb > UInt32.max {
      reader.fault(.invalidField, "iotlb", "has 32 bits")
    }
    switch (ste, iotlb) {
    case (let ste?, nil): return UserData(type: DomainCoding.steType, words: ste)
    case (nil, let iotlb?): return UserData(type: DomainCoding.iotlbType, words: [iotlb])
    case (nil, nil):
      if reader.lacks("ste"), reader.lacks("iotlb") {
        reader.fault(.invalidField, "ste", "required field is missing")
      }
    case (.some, .some):
      reader.fault(.invalidField, "iotlb", "is for a mock IOMMU, and ste for an SMMUv3")
    }
    return nil
  }

  /// The creation that would make a domain again.
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

/// How domains are shown.
enum DomainCoding {
  /// `IOMMU_HWPT_DATA_ARM_SMMUV3`
  static let steType: UInt32 = 2
  /// `IOMMU_HWPT_DATA_SELFTEST`
  static let iotlbType: UInt32 = 0xdead

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

extension Resource {
  static let domains = Resource(
    kind: .domain, collection: "domains",
    decode: { reader, scope in DomainCreation(reader, scope).map(Creation.domain) },
    creation: { object in (object as? Domain).map { .domain(DomainCreation($0)) } },
    write: { object, writer in
      if let domain = object as? Domain { DomainCoding.write(domain, to: &writer) }
    },
    filters: [
      .value("context", Domain.self) { $0.owner.name },
      .choice("type", Domain.self) { $0.isNested ? DomainType.nested : .paging },
      .value("ioas", Domain.self) { $0.ioas?.name },
      .value("viommu", Domain.self) { $0.viommu?.name },
      .value("auto", Domain.self, .oneOf(["true", "false"])) { String($0.isAuto) },
    ])
}
