// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver keeps of a device (`struct arm_smmu_master`).
final class Master {
  /// What the hardware and the event handler are told of a device.
  struct State {
    var entry: StreamTableEntry
    var vmaster: VMaster?
    var faultRoutes: [UInt32: FaultRoute] = [:]
    var isATSEnabled = false
    /// The domain that translates for each PASID, whose ASID or VMID the translations have in the
    /// TLBs. The RID's is under 0.
    var tags: [UInt32: PagingDomain] = [:]
  }

  /// The logarithm of the number of context descriptors in the device's table.
  let cdMax: UInt64
  /// The table of context descriptors; nil until a domain needs it for the first time.
  var contexts: ContextTable?
  var current = State(entry: .blocked)
  var port: Port?

  init(cdMax: UInt64) { self.cdMax = cdMax }
}

extension StreamTableEntry {
  /// The entry of a stream whose device is attached to nothing: all its transactions are aborted.
  static var blocked: StreamTableEntry {
    var entry = StreamTableEntry()
    entry.isValid = true
    entry.config = .abort
    return entry
  }
}

extension Device {
  /// What the driver keeps of the device. It is there once `bind` was called.
  var master: Master {
    guard let master = driverData as? Master else {
      preconditionFailure("a device without its driver's data was never bound")
    }
    return master
  }
}
