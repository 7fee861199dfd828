// SPDX-License-Identifier: Apache-2.0

/// The kinds of objects that a host has, by their names in the API.
public enum ObjectKind: String, Sendable, CaseIterable, Codable, Comparable {
  case smmu
  case context
  case device
  case ioas
  case domain
  case viommu
  case vdev
  case hwQueue = "hw-queue"
  case veventq
  case faultQueue = "fault-queue"
  case access

  /// The position in `allCases`; tables of kinds are arrays.
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

  public static func < (left: ObjectKind, right: ObjectKind) -> Bool { left.index < right.index }
}
