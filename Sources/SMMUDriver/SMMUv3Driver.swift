// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// The driver of an emulated SMMUv3. It does what Linux's arm-smmu-v3 driver and its tegra241-cmdqv
/// part do (`drivers/iommu/arm/arm-smmu-v3`).
///
/// This type brings the hardware up and down, and puts the parts of the driver together. What the
/// driver does with devices is in `SMMUv3Ops`, what it does with domains in `SMMUv3DomainOps`, and
/// what it does with vIOMMUs in `VSMMUOps`. These are used under the host's lock. The event handler
/// and the devices' ports are used by any thread that causes an interrupt or a transaction. What
/// the hardware can see changes only at the commit of a transaction.
final class SMMUv3Driver: IOMMUDriver {
  let settings: SMMUSettings
  let features: SMMUv3Features
  let hardware: Hardware
  let queues: QueueMemory
  let commands: Commands
  /// The extension for guest-owned queues; nil without it.
  let cmdqv: CMDQVDriver?
  let programmer: StreamTableProgrammer
  let tags: TranslationTags
  /// The CMDQV's interfaces for guests; nil without the extension.
  let interfaces: VirtualInterfaces?
  let owners: StreamOwners
  let events: EventQueueReader
  let stalls: StalledAccesses
  /// Handles the hardware's interrupts. It is nil until the hardware is reset.
  var receiver: NotificationReceiver?

  let ops: any IOMMUOps
  let domainOps: any DomainOps
  let viommuOps: any VIOMMUOps
  var registers: (any RegisterAccess)? { SMMUv3Registers(hardware: hardware, cmdqv: cmdqv) }
  var eventHandler: any HardwareEventHandler { events }

  /// A driver of hardware that is not up yet.
  ///
  /// - Throws: `ENOMEM` when the machine has no memory for tables and queues.
  init(
    name: String, settings: SMMUSettings, features: SMMUv3Features, machine: any Machine,
    places: ThreadPlaces = .queues
  ) throws(Refusal) {
    self.settings = settings
    self.features = features
    let hardware = Hardware(
      name: name, features: features, cmdqv: settings.cmdqv, machine: machine)
    let memory = try DriverMemory(hardware, isTraced: settings.isTraced)
    self.hardware = hardware
    queues = memory.queues
    cmdqv = memory.cmdqv
    let commands = Commands(main: memory.main, own: cmdqv?.own)
    self.commands = commands
    owners = StreamOwners(of: name, bits: features.sidSize)
    tags = TranslationTags(of: name, features)
    interfaces = cmdqv.map { VirtualInterfaces(of: name, $0) }
    stalls = StalledAccesses(hardware)
    programmer = StreamTableProgrammer(
      hardware, memory.table, commands, isTraced: settings.isTraced)
    events = EventQueueReader(
      hardware, at: queues.events,
      EventHandler(
        smmu: name, streams: programmer.streams, machine: machine,
        abortStall: {
          let stag = UInt16(truncatingIfNeeded: $0.stag)
          commands.execute(.resume($0.streamID, stag: stag, response: 2))
        }))
    ops = SMMUv3Ops(
      name: name, settings: settings, features: features, hardware: hardware, owners: owners,
      tags: tags, programmer: programmer, commands: commands, stalls: stalls,
      interfaces: interfaces)
    let entries = EntryMaker(features: features)
    domainOps = SMMUv3DomainOps(
      name: name, features: features, tags: tags, programmer: programmer,
      contexts: ContextProgrammer(hardware: hardware, commands: commands, entries: entries),
      entries: entries, invalidation: TLBInvalidation(commands: commands, features: features))
    viommuOps = VSMMUOps(
      features: features, commands: commands, interfaces: interfaces,
      queues: cmdqv.map { GuestQueues(cmdqv: $0, hardware: hardware, places: places) })
  }

  /// Switches the hardware off at commit, and frees what it used (`arm_smmu_device_remove`).
  func shutDown(in transaction: Transaction) {
    transaction.onCommit { [self] in
      cmdqv?.shutDown()
      hardware.write(.cr0, 0)
      discard()
    }
  }

  /// Disconnects the hardware from the driver, and frees the memory that the driver took for it.
  /// The end of the SMMU needs this, and so does a transaction that made the driver and is rolled
  /// back.
  func discard() {
    hardware.sink.setReceiver(nil)
    hardware.cmdqvSink.setReceiver(interrupt: nil)
    programmer.table.free()
    queues.free()
    cmdqv?.freeMemory()
  }

  // MARK: What people are told

  func facts(about object: Object) -> [DriverFact] {
    SMMUv3Facts(hardware: hardware).facts(about: object)
  }

  func registers(of object: Object) -> [DriverFact]? {
    SMMUv3Facts(hardware: hardware).registers(of: object)
  }
}

extension SMMUSettings {
  /// Whether the commands and the table entries that the driver gives to the hardware are logged.
  var isTraced: Bool { features["trace"] ?? 0 != 0 }
}
