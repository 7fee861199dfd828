// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// Handles the CMDQV's interrupt (`tegra241_cmdqv_isr`). The error map says which interfaces have
/// an error, and the vIOMMU of each such interface gets an event in its event queue. It is called
/// on the thread that has caused the error, while no lock of the machine is held.
final class CMDQVInterrupts: Sendable {
  /// The vIOMMU that has an interface.
  private struct Owner {
    let viommu: String
    let events: VIOMMUEvents
  }

  private let engine: Tegra241CMDQV
  private let hardware: Hardware
  private let memory: CMDQVMemory
  /// The interfaces that guests have. The lock is held for reading from the look at the error maps
  /// until the last report. Otherwise an interface could be taken out and given to another guest
  /// meanwhile, and the report would go to the wrong one.
  private let owners = ReaderWriterLocked<[Int: Owner]>([:])
  /// How many interrupts have come that are not handled yet. Each stands for an error of its own.
  /// The thread that raises the count from 0 handles them all, those that come meanwhile too.
  private let pending = Locked(0)

  init(_ engine: Tegra241CMDQV, _ hardware: Hardware, _ memory: CMDQVMemory) {
    self.engine = engine
    self.hardware = hardware
    self.memory = memory
  }

  /// Makes the vIOMMU known that has an interface from now on.
  func publish(_ interface: Int, _ viommu: VIOMMU) {
    let owner = Owner(viommu: viommu.name, events: viommu.events)
    owners.withWriteLock { $0[interface] = owner }
  }

  /// Removes an interface. When this returns, no report for it is under way any more.
  func withdraw(_ interface: Int) { owners.withWriteLock { $0[interface] = nil } }

  func handle() {
    let isHandled = pending.withLock { pending in
      pending += 1
      return pending > 1
    }
    if isHandled { return }
    repeat {
      let wakened = owners.withReadLock { handleErrors($0) }
      for fifo in wakened { fifo.wakeReader() }
    } while isMorePending()
  }

  private func isMorePending() -> Bool {
    pending.withLock { pending in
      pending -= 1
      return pending > 0
    }
  }

  private func read(_ offset: UInt32, width: Int = 4) -> UInt64 {
    (try? engine.readRegister(offset, width: width)) ?? 0
  }

  /// Looks at the error map and handles the errors of all interfaces.
  ///
  /// - Returns: the event queues that got an event, whose readers have to be woken.
  private func handleErrors(_ owners: [Int: Owner]) -> [VEventFIFO] {
    var wakened: [VEventFIFO] = []
    let register = CMDQVRegisters.interfaceErrorMap
    var map = read(register) | read(register + 4) << 32
    while map != 0 {
      let interface = map.trailingZeroBitCount
      map &= map &- 1
      if interface == 0 {
        handleOwnErrors()
      } else if let fifo = report(interface, to: owners[interface]) {
        wakened.append(fifo)
      }
    }
    return wakened
  }

  private func errorMap(of interface: Int) -> [UInt64] {
    let registers = CMDQVRegisters.interface(interface)
    return (0..<2).map { read(registers.errorMap($0), width: 8) }
  }

  // MARK: Guests

  /// Tells a guest which of its queues have stopped, because the guest has to acknowledge the
  /// errors itself. The error of an interface that no guest has is only logged.
  private func report(_ interface: Int, to owner: Owner?) -> VEventFIFO? {
    let map = errorMap(of: interface)
    let fifo = owner?.events.report(.tegra241CMDQV, VEventData(map))
    hardware.log(
      .cmdqvError(
        interface: interface, viommu: owner?.viommu, map: map, isForwarded: fifo != nil))
    return fifo
  }

  // MARK: The kernel's own queues

  /// Resumes those of the kernel's own queues that have stopped (`tegra241_vintf0_handle_error`). A
  /// command that cannot be carried out is replaced by a CMD_SYNC.
  private func handleOwnErrors() {
    let map = errorMap(of: 0)
    hardware.log(.cmdqvError(interface: 0, viommu: nil, map: map, isForwarded: false))
    for logical in 0..<memory.queues where map[logical / 64] >> UInt64(logical % 64) & 1 != 0 {
      let registers = CMDQVRegisters.queue(0, logical)
      let error = read(registers.gerror)
      let cons = read(registers.cons)
      if ![0, 2, 3].contains(cons >> 24 & 0x7f) {
        let slot = cons & (1 << CMDQVMemory.log2Size - 1)
        hardware.write(
          Command.sync.words, at: memory.base(of: logical) + slot * Command.byteCount)
      }
      try? engine.writeRegister(registers.gerrorn, error, width: 4)
    }
  }
}
