// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver keeps of a device (`struct arm_smmu_master`).
final class Master {
  /// What is in the device's stream table entries and beside them.
  struct State {
    var entry: StreamTableEntry
    var vmaster: VMaster?
    var faultRoutes: [UInt32: FaultRoute] = [:]
    var isATSEnabled = false
    /// Whose ASID or VMID the device's translations bear, by PASID; 0 is the RID.
    var tags: [UInt32: PagingDomain] = [:]
  }

  /// The logarithm of the context descriptors that the device's table holds.
  let cdMax: UInt64
  /// The table of context descriptors, made when first a domain needs it.
  var contexts: ContextTable?
  var current = State(entry: .blocked)
  var port: Port?

  init(cdMax: UInt64) { self.cdMax = cdMax }
}

extension StreamTableEntry {
  /// What every stream has until something is attached: all transactions are aborted.
  static var blocked: StreamTableEntry {
    var entry = StreamTableEntry()
    entry.isValid = true
    entry.config = .abort
    return entry
  }
}

extension Device {
  /// What the driver keeps of the device, from its `bind` on.
  var master: Master {
    guard let master = driverData as? Master else {
      preconditionFailure("a device without its driver's data was never bound")
    }
    return master
  }
}
