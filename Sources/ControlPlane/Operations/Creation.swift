// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD

/// A request to make an object. There is one case for each collection.
public enum Creation: Equatable, Sendable, Codable {
  /// A physical SMMU, or another IOMMU.
  case smmu(SMMURequest)
  /// An open iommufd.
  case context(ContextRequest)
  /// A device, bound to a context.
  case device(DeviceRequest)
  /// An I/O address space.
  case ioas(IOASRequest)
  /// A hardware page table, paging or nested.
  case domain(DomainCreation)
  /// A slice of a physical IOMMU for one VM.
  case viommu(VIOMMURequest)
  /// A device inside a vIOMMU.
  case vdev(VDevRequest)
  /// A command queue that a guest owns.
  case hwQueue(HWQueueRequest)
  /// A queue of a vIOMMU's events.
  case veventq(VEventQueueRequest)
  /// A queue of page faults.
  case faultQueue(FaultQueueRequest)
  /// A kernel driver's own way into an address space.
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
