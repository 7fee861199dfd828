// SPDX-License-Identifier: Apache-2.0

/// What a device is to be attached to.
public enum AttachTarget: Sendable, Equatable, Codable {
  /// The paging or nested domain of this name.
  case domain(String)
  /// An address space. The device is attached to one of its automatic domains; if none fits, one is
  /// made.
  case ioas(String)
  /// The domain or address space with this object ID in the device's context. The kernel's calls
  /// name the target in this way (`pt_id`).
  case objectID(UInt32)
}

/// Whether an attach may, or must, take the place of another one. The kernel has a call for each.
public enum AttachMode: String, Sendable, CaseIterable, Codable {
  /// Attaches a device where nothing is attached, and fails with `EBUSY` otherwise
  /// (`iommufd_device_attach`).
  case attach
  /// Moves a device from one domain to another, and fails with `EINVAL` where nothing is attached
  /// (`iommufd_device_replace`).
  case replace
  /// Does whichever of the two fits, as VFIO's attach does.
  case either
}
