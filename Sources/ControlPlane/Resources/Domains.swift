// SPDX-License-Identifier: Apache-2.0
import HTTPCore
public import IOMMUFD

/// The two types of domains.
enum DomainType: String, CaseIterable, Sendable {
  case paging, nested
}

/// `POST /domains` with `"type":"paging"`
public struct PagingDomainRequest: Equatable, Sendable, Codable {
  public var id: String?
  public var device: String
  public var ioas: String
  public var flags: Domain.Flags
  public var faultQueue: String?

  init?(_ reader: ObjectReader, _ id: String?) {
    let device = reader.reference("device", required: true)
    let ioas = reader.reference("ioas", required: true)
    var flags = Domain.Flags()
    flags.nestParent = reader.bool("nest_parent") ?? false
    flags.dirtyTracking = reader.bool("dirty_tracking") ?? false
    flags.pasid = reader.bool("pasid") ?? false
    let faultQueue = reader.reference("fault_queue")
    guard let device, let ioas else { return nil }
    self.id = id
    self.device = device
    self.ioas = ioas
    self.flags = flags
    self.faultQueue = faultQueue
  }

  init(_ domain: Domain, _ ioas: IOAS) {
    id = domain.name
    device = domain.deviceName
    self.ioas = ioas.name
    flags = domain.flags
    faultQueue = domain.faultQueue?.name
  }
}

/// `POST /domains` with `"type":"nested"`
public struct NestedDomainRequest: Equatable, Sendable, Codable {
  public var id: String?
  public var device: String
  public var viommu: String
  /// The guest's words of the stream table entry: dw0 and dw1.
  public var ste: [UInt64]
  public var pasid: Bool
  public var faultQueue: String?

  init?(_ reader: ObjectReader, _ id: String?) {
    let device = reader.reference("device", required: true)
    let viommu = reader.reference("viommu", required: true)
    let ste = reader.hexArray("ste", required: true, count: 2...2)
    let pasid = reader.bool("pasid")
    let faultQueue = reader.reference("fault_queue")
    guard let device, let viommu, let ste else { return nil }
    self.id = id
    self.device = device
    self.viommu = viommu
    self.ste = ste
    self.pasid = pasid ?? false
    self.faultQueue = faultQueue
  }

  init(_ domain: Domain, _ viommu: VIOMMU, _ ste: [UInt64]) {
    id = domain.name
    device = domain.deviceName
    self.viommu = viommu.name
    self.ste = ste
    pasid = domain.flags.pasid
    faultQueue = domain.faultQueue?.name
  }
}

extension Resource {
  static let domains = Resource(
    kind: .domain, collection: "domains",
    decode: { reader, scope in
      let id = scope.id(reader)
      return switch reader.choice("type", required: true, of: DomainType.self) {
      case .paging: PagingDomainRequest(reader, id).map(Creation.pagingDomain)
      case .nested: NestedDomainRequest(reader, id).map(Creation.nestedDomain)
      case nil: nil
      }
    },
    creation: { object in
      guard let domain = object as? Domain else { return nil }
      return switch domain.form {
      case .paging(let ioas): .pagingDomain(PagingDomainRequest(domain, ioas))
      case .nested(let viommu, let ste): .nestedDomain(NestedDomainRequest(domain, viommu, ste))
      }
    },
    write: { object, writer in
      guard let domain = object as? Domain else { return }
      switch domain.form {
      case .paging(let ioas):
        writer.field("type", text: DomainType.paging.rawValue)
        writer.field("device", text: domain.deviceName)
        writer.field("ioas", text: ioas.name)
        writer.field("nest_parent", bool: domain.flags.nestParent)
        writer.field("dirty_tracking", bool: domain.flags.dirtyTracking)
      case .nested(let viommu, let ste):
        writer.field("type", text: DomainType.nested.rawValue)
        writer.field("device", text: domain.deviceName)
        writer.field("viommu", text: viommu.name)
        writer.key("ste")
        writer.array(of: ste) { $0.hex($1) }
      }
      writer.field("pasid", bool: domain.flags.pasid)
      writer.field("fault_queue", text: domain.faultQueue?.name)
      writer.field("auto", bool: domain.isAuto)
    },
    filters: [
      .value("context", Domain.self) { $0.owner.name },
      .choice("type", Domain.self) { $0.viommu == nil ? DomainType.paging : .nested },
      .value("ioas", Domain.self) { $0.ioas?.name },
      .value("viommu", Domain.self) { $0.viommu?.name },
      .value("auto", Domain.self, .oneOf(["true", "false"])) { String($0.isAuto) },
    ])
}
