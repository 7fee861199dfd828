// SPDX-License-Identifier: Apache-2.0

/// Something that happened to an object, told while the transaction is under way.
public enum ObjectEvent {
  case created(Object)
  case deleted(Object)
  /// A field of the object changed.
  case updated(Object)
  case attached(Device, pasid: UInt32, domain: Domain)
  case replaced(Device, pasid: UInt32, domain: Domain, previous: Domain)
  case detached(Device, pasid: UInt32, previous: Domain)
  case unplugged(Device)
  /// The vdev of an unplugged device: gone, but its object ID is never used again.
  case tombstoned(VDevice)
  case mapped(IOAS, Area)
  case unmapped(IOAS, iova: UInt64, length: UInt64)
}

/// Where the events of a transaction go. They count only when the transaction commits.
public protocol ObjectEventRecorder: AnyObject {
  func record(_ event: ObjectEvent)
}
