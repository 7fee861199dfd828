// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// The memory of an SMMU's command, event and PRI queues (`arm_smmu_init_queues`).
final class QueueMemory {
  static let eventLog2: UInt64 = 7
  static let priLog2: UInt64 = 8
  private static let bytes: UInt64 = 4096
  static let takenBytes = 3 * bytes

  let commands: UInt64
  let events: UInt64
  let pageRequests: UInt64
  private let hardware: Hardware

  /// - Throws: `ENOMEM` when no memory is left for the queues.
  init(_ hardware: Hardware, _ features: SMMUv3Features) throws(Refusal) {
    self.hardware = hardware
    guard let base = hardware.allocateTables(Self.takenBytes, alignment: Self.bytes) else {
      throw Refusal(.ENOMEM, "no memory is left for the queues of an SMMU")
    }
    commands = base
    events = base + Self.bytes
    pageRequests = base + 2 * Self.bytes
  }

  func free() { hardware.machine.freeTables(commands, Self.takenBytes) }
}

extension SMMUv3Driver {
  /// The bits of CR0, in the order in which a reset sets them.
  private enum Control {
    static let commandQueue: UInt64 = 8
    static let eventQueue: UInt64 = 4
    static let priQueue: UInt64 = 2
    static let checkATS: UInt64 = 0x10
    static let translate: UInt64 = 1
  }

  private static let readAllocate: UInt64 = 1 << 62

  /// Resets the hardware and brings it up as Linux does (`arm_smmu_device_reset`).
  func reset() {
    hardware.write(.cr0, 0)
    // The hardware accesses tables and queues as write-back cacheable and inner shareable.
    hardware.write(.cr1, 0xd75)
    // The bits are PTM and RECINVSID.
    hardware.write(.cr2, 6)
    hardware.write(.strtabBase, programmer.table.base | Self.readAllocate)
    hardware.write(.strtabBaseCfg, programmer.table.configuration)
    var control = Control.commandQueue
    hardware.write(
      .cmdqBase, queues.commands | UInt64(CommandQueue.log2Size) | Self.readAllocate)
    hardware.write(.cmdqProd, 0)
    hardware.write(.cmdqCons, 0)
    commands.main.restart()
    hardware.write(.cr0, control)
    commands.issue([.cfgiAll])
    commands.issue([.tlbiNSNHAll])
    hardware.write(.eventqBase, queues.events | QueueMemory.eventLog2 | Self.readAllocate)
    hardware.write(.eventqProd, 0)
    hardware.write(.eventqCons, 0)
    control |= Control.eventQueue
    hardware.write(.cr0, control)
    if features.pri {
      hardware.write(.priqBase, queues.pageRequests | QueueMemory.priLog2 | Self.readAllocate)
      hardware.write(.priqProd, 0)
      hardware.write(.priqCons, 0)
      control |= Control.priQueue
      hardware.write(.cr0, control)
    }
    if features.ats {
      control |= Control.checkATS
      hardware.write(.cr0, control)
    }
    // The hardware keeps its receivers alive, so it must not keep the driver alive through them.
    // Otherwise a driver that is made only to try its settings, and is never shut down, would never
    // be freed.
    let receiver = NotificationReceiver(hardware, events, stalls, at: queues.pageRequests)
    self.receiver = receiver
    hardware.sink.setReceiver { [weak receiver] in receiver?.receive($0) }
    // The interrupts are those of GERROR, of the event queue and of the PRI queue.
    hardware.write(.irqCtrl, features.pri ? 7 : 5)
    hardware.write(.cr0, control | Control.translate)
    guard let cmdqv else { return }
    hardware.cmdqvSink.setReceiver(
      interrupt: { [weak cmdqv] in cmdqv?.interrupts.handle() },
      doorbell: { [weak cmdqv] in cmdqv?.ring($0) })
    cmdqv.reset()
  }
}
