// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// What Linux's arm-smmu-v3 driver and its tegra241-cmdqv part do
/// (`drivers/iommu/arm/arm-smmu-v3`).
///
/// Used under the host's lock, but for the event handler and the devices' ports, which the
/// hardware's threads use. What the hardware can see changes at the commit of a transaction.
final class SMMUv3Driver: IOMMUDriver {
  let name: String
  let settings: SMMUSettings
  let features: SMMUv3Features
  let machine: any Machine
  let hardware: Hardware
  let commands: Commands
  /// The extension for guest-owned queues; nil without it.
  let cmdqv: CMDQVDriver?
  /// Where the threads of guests' queues are counted.
  let places: ThreadPlaces
  let table: StreamTableMemory
  let queues: QueueMemory
  let streams = StreamTable()
  let events: EventQueueReader
  let stalls: StalledAccesses
  /// Handles the hardware's interrupts, from the reset on.
  var receiver: NotificationReceiver?
  var eventHandler: any HardwareEventHandler { events }
  let owners: StreamOwners
  var vmids: LowestFreeAllocator
  var asids: LowestFreeAllocator
  /// The virtual interfaces; number 0 is the kernel's own.
  var vintfs: LowestFreeAllocator?
  /// Called between the moment in which a stream's new entry stands and the one in which its
  /// vmaster does, to test what an event meets there.
  var betweenEntryAndVMaster: (() -> Void)?

  /// A driver of hardware that is not up yet.
  ///
  /// - Throws: `ENOMEM` when the machine has no memory for tables and queues.
  init(
    name: String, settings: SMMUSettings, features: SMMUv3Features, machine: any Machine,
    places: ThreadPlaces = .queues
  ) throws(Refusal) {
    self.name = name
    self.places = places
    self.settings = settings
    self.features = features
    self.machine = machine
    hardware = Hardware(
      name: name, features: features, cmdqv: settings.cmdqv, machine: machine)
    owners = StreamOwners(of: name, bits: features.sidSize)
    vmids = LowestFreeAllocator(1...UInt32(1 << features.vmidBits) - 1)
    asids = LowestFreeAllocator(1...UInt32(1 << features.asidBits) - 1)
    vintfs = settings.cmdqv.flatMap { cmdqv in
      cmdqv.vintfs > 1 ? LowestFreeAllocator(1...UInt32(cmdqv.vintfs - 1)) : nil
    }
    let table = try StreamTableMemory(hardware, streamIDBits: features.sidSize)
    do throws(Refusal) {
      queues = try QueueMemory(hardware, features)
    } catch {
      table.free()
      throw error
    }
    self.table = table
    let main = CommandQueue(
      hardware, at: queues.commands, .smmu, isTraced: settings.isTraced)
    do throws(Refusal) {
      cmdqv = try hardware.cmdqv.map { [hardware] engine throws(Refusal) in
        try CMDQVDriver(engine, hardware, main, isTraced: settings.isTraced)
      }
    } catch {
      table.free()
      queues.free()
      throw error
    }
    commands = Commands(main: main, own: cmdqv?.own)
    stalls = StalledAccesses(hardware)
    events = EventQueueReader(
      hardware, at: queues.events,
      EventHandler(
        smmu: name, streams: streams, machine: machine,
        abortStall: { [commands] in
          let stag = UInt16(truncatingIfNeeded: $0.stag)
          commands.execute(.resume($0.streamID, stag: stag, response: 2))
        }))
  }

  func shutDown(in transaction: Transaction) {
    // `arm_smmu_device_disable`, and then what it used is free again.
    transaction.onCommit { [self] in
      cmdqv?.shutDown()
      hardware.write(.cr0, 0)
      discard()
    }
  }

  /// What a transaction that does not stand takes back.
  func discard() {
    hardware.sink.setReceiver(nil)
    hardware.cmdqvSink.setReceiver(interrupt: nil)
    table.free()
    queues.free()
    cmdqv?.freeMemory()
  }

  // MARK: Devices

  func bind(_ device: Device, in transaction: Transaction) throws(Refusal) {
    try owners.claim(for: device, in: transaction)
    for stream in device.properties.streamIDs {
      guard table.hasRoom(for: stream) else {
        throw Refusal(.ERANGE, field: "stream_id", "the stream table has no place for \(stream)")
      }
      try table.prepare(stream, in: transaction)
    }
    let master = Master(cdMax: UInt64(min(device.properties.pasidBits, features.ssidSize)))
    device.driverData = master
    master.port = Port(
      device.name, hardware.smmu.port(device.properties.streamIDs[0]), hardware, stalls)
    publish(device, master.current, in: transaction)
  }

  func unbind(_ device: Device, in transaction: Transaction) {
    let ids = device.properties.streamIDs
    owners.release(of: device, in: transaction)
    let master = master(of: device)
    transaction.onCommit { [self] in
      // Nothing that the device does gets through any more, and no stall of its waits on.
      for id in ids {
        writeEntry(.blocked, of: id)
        // An SMMU that does not stall does not know STALL_TERM.
        if features.stallModel != 1 { commands.issue([.stallTerm(id)]) }
        hardware.smmu.port(id).setATS(enabled: false)
      }
      streams.set(nil, for: ids)
      master.contexts?.free()
    }
  }

  func port(of device: Device) -> (any DevicePort)? { master(of: device).port }

  func master(of device: Device) -> Master {
    guard let master = device.driverData as? Master else {
      preconditionFailure("a device without its driver's data was never bound")
    }
    return master
  }

  // MARK: Registers

  func readRegister(_ offset: UInt64, width: Int) throws(Refusal) -> UInt64 {
    try hardware.readRegister(offset, width: width)
  }

  func writeRegister(
    _ offset: UInt64, _ value: UInt64, width: Int, in transaction: Transaction
  ) throws(Refusal) {
    try hardware.checkRegister(offset, width: width)
    transaction.onCommit { [hardware, cmdqv] in
      hardware.writeRegister(offset, value, width: width)
      cmdqv?.tellProgress()
    }
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

extension SMMUSettings {
  /// Whether what the driver tells the hardware is put into the log.
  var isTraced: Bool { features["trace"] ?? 0 != 0 }
}
