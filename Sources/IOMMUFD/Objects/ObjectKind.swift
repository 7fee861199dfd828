// SPDX-License-Identifier: Apache-2.0

/// The kinds of objects that a host has. The raw values are their names in the API; the kernel's
/// counterpart is `enum iommufd_object_type`.
public enum ObjectKind: String, Sendable, CaseIterable, Codable, Comparable {
  /// A physical IOMMU; in the kernel a device of its driver and no object of iommufd.
  case smmu
  /// An open iommufd.
  case context
  /// A device that is bound to a context.
  case device
  /// An I/O address space.
  case ioas
  /// A hardware page table, paging or nested.
  case domain
  /// A slice of a physical IOMMU for one VM.
  case viommu
  /// A device inside a vIOMMU.
  case vdev
  /// A command queue of the hardware that a guest owns.
  case hwQueue = "hw-queue"
  /// A queue of the events that concern a vIOMMU's guest.
  case veventq
  /// A queue of page faults.
  case faultQueue = "fault-queue"
  /// A kernel driver's own way into an address space.
  case access

  /// The position in `allCases`, by which tables of kinds are kept in arrays.
  var index: Int {
    switch self {
    case .smmu: 0
    case .context: 1
    case .device: 2
    case .ioas: 3
    case .domain: 4
    case .viommu: 5
    case .vdev: 6
    case .hwQueue: 7
    case .veventq: 8
    case .faultQueue: 9
    case .access: 10
    }
  }

  /// Kinds are ordered as they are declared, which is the order in which answers list them.
  public static func < (left: ObjectKind, right: ObjectKind) -> Bool { left.index < right.index }
}
