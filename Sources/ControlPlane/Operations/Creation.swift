// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD

/// A request to make an object, one case a collection.
public enum Creation: Equatable, Sendable, Codable {
  case smmu(SMMURequest)
  case context(ContextRequest)
  case device(DeviceRequest)
  case ioas(IOASRequest)
  case domain(DomainCreation)
  case viommu(VIOMMURequest)
  case vdev(VDevRequest)
  case hwQueue(HWQueueRequest)
  case veventq(VEventQueueRequest)
  case faultQueue(FaultQueueRequest)
  case access(AccessRequest)

  /// The kind of the object that is to be made.
  public var kind: ObjectKind {
    switch self {
    case .smmu: .smmu
    case .context: .context
    case .device: .device
    case .ioas: .ioas
    case .domain: .domain
    case .viommu: .viommu
    case .vdev: .vdev
    case .hwQueue: .hwQueue
    case .veventq: .veventq
    case .faultQueue: .faultQueue
    case .access: .access
    }
  }

  /// The name that the client wants; nil for one of the server's.
  public var id: String? {
    switch self {
    case .smmu(let request): request.id
    case .context(let request): request.id
    case .device(let request): request.id
    case .ioas(let request): request.id
    case .domain(let creation): creation.id
    case .viommu(let request): request.id
    case .vdev(let request): request.id
    case .hwQueue(let request): request.id
    case .veventq(let request): request.id
    case .faultQueue(let request): request.id
    case .access(let request): request.id
    }
  }
}
