// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// The driver of one SMMUv3: what Linux's arm-smmu-v3 and tegra241-cmdqv do, on the emulated
/// hardware.
final class SMMUv3Driver: IOMMUDriver {
  let name: String
  let settings: SMMUSettings
  let features: SMMUv3Features
  let machine: any Machine
  let streams = StreamTable()
  let eventHandler: any HardwareEventHandler
  /// The tree of streams: whose each is.
  let owners: StreamOwners
  var vmids: LowestFreeAllocator
  var asids: LowestFreeAllocator
  /// The virtual interfaces; number 0 is the kernel's own.
  var vintfs: LowestFreeAllocator?

  init(name: String, settings: SMMUSettings, features: SMMUv3Features, machine: any Machine) {
    self.name = name
    self.settings = settings
    self.features = features
    self.machine = machine
    owners = StreamOwners(of: name, bits: features.sidSize)
    eventHandler = EventHandler(smmu: name, streams: streams, machine: machine)
    vmids = LowestFreeAllocator(1...UInt32(1 << features.vmidBits) - 1)
    asids = LowestFreeAllocator(1...UInt32(1 << features.asidBits) - 1)
    vintfs = settings.cmdqv.flatMap { cmdqv in
      cmdqv.vintfs > 1 ? LowestFreeAllocator(1...UInt32(cmdqv.vintfs - 1)) : nil
    }
  }

  // MARK: Devices

  func bind(_ device: Device, in transaction: Transaction) throws(Refusal) {
    try owners.claim(for: device, in: transaction)
    let master = Master(cdMax: UInt64(min(device.properties.pasidBits, features.ssidSize)))
    device.driverData = master
    publish(device, master.current, in: transaction)
  }

  func unbind(_ device: Device, in transaction: Transaction) {
    let ids = device.properties.streamIDs
    owners.release(of: device, in: transaction)
    freeTable(of: master(of: device), in: transaction)
    transaction.onCommit { [streams] in streams.set(nil, for: ids) }
  }

  func master(of device: Device) -> Master {
    guard let master = device.driverData as? Master else {
      preconditionFailure("a device without its driver's data was never bound")
    }
    return master
  }

  /// Makes a device's streams what they are to be when the transaction commits.
  func publish(_ device: Device, _ state: Master.State, in transaction: Transaction) {
    let master = master(of: device)
    let previous = master.current
    master.current = state
    transaction.onRollback { master.current = previous }
    let stream = Stream(
      device: device.name, deviceID: device.objectID ?? 0, entry: state.entry,
      vmaster: state.vmaster, faultRoutes: state.faultRoutes)
    transaction.onCommit { [streams] in streams.set(stream, for: device.properties.streamIDs) }
  }
}

/// What the driver keeps of a device (`struct arm_smmu_master`).
final class Master {
  /// What is in the device's stream table entries and beside them.
  struct State {
    var entry: StreamTableEntry
    var vmaster: VMaster?
    var faultRoutes: [UInt32: FaultRoute] = [:]
    var isATSEnabled = false
  }

  /// The logarithm of the context descriptors that the device's table holds.
  let cdMax: UInt64
  /// The table of context descriptors, made when first a domain needs it.
  var cdTable: UInt64?
  var current = State(entry: .blocked)

  init(cdMax: UInt64) { self.cdMax = cdMax }

  /// Bytes of the table: one descriptor, or a first level for all.
  var cdTableLength: UInt64 {
    let descriptors = UInt64(1) << cdMax
    return descriptors > 1024 ? max(64, descriptors / 1024 * 8) : descriptors * 64
  }
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
