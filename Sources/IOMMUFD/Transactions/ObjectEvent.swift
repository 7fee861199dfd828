// SPDX-License-Identifier: Apache-2.0

/// Something that happened to an object. It is reported while the transaction is still under way.
public enum ObjectEvent {
  /// The object is in the table from now on.
  case created(Object)
  /// The object is gone.
  case deleted(Object)
  /// A field of the object has changed.
  case updated(Object)
  /// The device was attached at a PASID, where nothing was attached; PASID 0 stands for the RID.
  case attached(Device, pasid: UInt32, domain: Domain)
  /// The device was moved from one domain to another at a PASID in one step.
  case replaced(Device, pasid: UInt32, domain: Domain, previous: Domain)
  /// The device is no longer attached at a PASID.
  case detached(Device, pasid: UInt32, previous: Domain)
  /// The device was unplugged by surprise. That it is deleted is a further event.
  case unplugged(Device)
  /// The vdev of an unplugged device is gone, and its object ID stays taken.
  case tombstoned(VDevice)
  /// A range of an address space was mapped.
  case mapped(IOAS, Area)
  /// Mappings were taken out of an address space: the first address that was asked for, and how
  /// many bytes went.
  case unmapped(IOAS, iova: UInt64, length: UInt64)
}

/// What the events of a transaction are reported to. They count only when the transaction commits,
/// so the recorder keeps them until then.
public protocol ObjectEventRecorder: AnyObject {
  /// Takes an event, in the order in which things happened.
  func record(_ event: ObjectEvent)
}
