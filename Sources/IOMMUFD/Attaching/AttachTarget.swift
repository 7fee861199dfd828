// SPDX-License-Identifier: Apache-2.0

/// What a device is to be attached to.
public enum AttachTarget: Sendable, Equatable, Codable {
  case domain(String)
  /// A domain of that address space, made for it where none fits.
  case ioas(String)
  /// Whatever object of the device's context has the ID, as the kernel is told (`pt_id`).
  case objectID(UInt32)
}

/// Which of the kernel's two verbs an attach is.
public enum AttachMode: String, Sendable, CaseIterable, Codable {
  /// `EBUSY` when something is attached (`iommufd_device_attach`).
  case attach
  /// `EINVAL` when nothing is (`iommufd_device_replace`).
  case replace
  /// Whichever fits, as VFIO's attach does.
  case either
}
