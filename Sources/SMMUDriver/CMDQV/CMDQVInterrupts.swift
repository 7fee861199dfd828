// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// The handler of the CMDQV's interrupt (`tegra241_cmdqv_isr`): error map → interface → vIOMMU →
/// event queue. Called on the thread that made the error, with no lock of the machine held.
final class CMDQVInterrupts: Sendable {
  /// A guest's interface, as the handler knows it.
  private struct Owner {
    let viommu: String
    let events: VIOMMUEvents
  }

  private let engine: Tegra241CMDQV
  private let hardware: Hardware
  private let memory: CMDQVMemory
  /// The guests' interfaces. Held shared from the look at the error maps to the last report: an
  /// interface that is taken out can be given to the next guest at once.
  private let owners = ReaderWriterLocked<[Int: Owner]>([:])
  /// Interrupts that have come and are not handled. Each is an error of its own, and the thread
  /// that found none handles all.
  private let pending = Locked(0)

  init(_ engine: Tegra241CMDQV, _ hardware: Hardware, _ memory: CMDQVMemory) {
    self.engine = engine
    self.hardware = hardware
    self.memory = memory
  }

  /// Makes an interface's owner known.
  func publish(_ interface: Int, _ viommu: VIOMMU) {
    let owner = Owner(viommu: viommu.name, events: viommu.events)
    owners.withWriteLock { $0[interface] = owner }
  }

  /// Takes an interface out; no report for it is under way when this returns.
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

  /// - Returns: the queues that got a vEVENT.
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

  /// The guest hears which of its queues stand still; it is the one to make them go on. An
  /// interface that nobody has is nobody's business.
  private func report(_ interface: Int, to owner: Owner?) -> VEventFIFO? {
    let map = errorMap(of: interface)
    let fifo = owner?.events.report(.tegra241CMDQV, VEventData(map))
    hardware.log(
      .cmdqvError(
        interface: interface, viommu: owner?.viommu, map: map, isForwarded: fifo != nil))
    return fifo
  }

  // MARK: The kernel's own queues

  /// `tegra241_vintf0_handle_error`: what cannot be carried out becomes a CMD_SYNC.
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
