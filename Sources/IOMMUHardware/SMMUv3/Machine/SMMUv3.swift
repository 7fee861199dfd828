// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// An emulated SMMUv3: its registers, its caches, the walks of tables in memory, and its command,
/// event and PRI queues (IHI 0070).
///
/// It has no clock and no thread of its own, but works on the thread of its caller: a write to
/// CMDQ_PROD returns when the commands are done. So the same accesses always give the same results.
///
/// Locks are taken in this order. The first is the control lock, which covers one register write or
/// one batch of commands of the SMMU's own queue, or in its place the locks of a CMDQV (see there).
/// Then comes a port's gate, which covers one transaction of a stream. The last is either a shard
/// of the TLB or the state, which is the registers, the queues, and the notifications that have not
/// been sent. No notification is sent while a lock is held.
public final class SMMUv3: Sendable {
  /// The memory that its tables and queues are in.
  public let memory: PhysicalMemory
  /// What the SMMU can do, which its ID registers say.
  public let features: SMMUv3Features
  /// What this SMMU does where implementations differ.
  public let behaviour: SMMUv3Behaviour
  let core: SMMUCore
  /// The command unit of the SMMU's own queue, behind the control lock.
  private let control = Locked(CommandUnit())
  private let ports = Locked(PortTable())
  /// How many ports there are.
  let portCount = Atomic<Int>(0)

  /// An SMMU out of reset, which is disabled.
  ///
  /// - Parameters:
  ///   - memory: the memory that its tables and queues are in.
  ///   - features: what its ID registers say.
  ///   - behaviour: what it does where implementations differ.
  ///   - sink: the receiver of interrupts and of answers to devices.
  public init(
    memory: PhysicalMemory, features: SMMUv3Features = SMMUv3Features(),
    behaviour: SMMUv3Behaviour = SMMUv3Behaviour(), sink: (any SMMUSink)? = nil
  ) {
    self.memory = memory
    self.features = features
    self.behaviour = behaviour
    core = SMMUCore(memory, features, behaviour, sink)
  }

  // MARK: Ports

  /// The port of a stream. It is made when it is first asked for, and stays.
  public func port(_ stream: UInt32) -> StreamPort {
    ports.withLock { ports in
      if let port = ports.byStream[stream] { return port }
      let port = StreamPort(stream, number: ports.all.count, core)
      ports.byStream[stream] = port
      ports.all.append(port)
      // `portCount` is updated before anybody has the new port. So whoever has waited for the
      // transactions of as many ports as it says has waited for all that could have begun.
      portCount.store(ports.all.count, ordering: .sequentiallyConsistent)
      return port
    }
  }

  /// The port of a stream; nil if it has never been asked for.
  func knownPort(_ stream: UInt32) -> StreamPort? {
    ports.withLock { $0.byStream[stream] }
  }

  /// All ports that there are, in the order in which they were made.
  var knownPorts: [StreamPort] { ports.withLock { $0.all } }

  /// Waits until the transactions that are under way have ended. Those that begin later are not
  /// waited for.
  func waitForTransactions() {
    for port in knownPorts { port.gate.waitForPassage() }
  }

  // MARK: Registers

  /// Reads a register.
  ///
  /// - Parameters:
  ///   - offset: in bytes from the beginning of page 0; page 1 begins at 0x10000. Reserved
  ///     registers read as zero.
  ///   - width: 4 bytes, or 8 for a register that has 8.
  /// - Throws: `RegisterError` for a width that the register does not have, for an offset that is
  ///   not a multiple of it, and for an offset behind the two pages.
  public func readRegister(
    _ offset: UInt32, width: Int = 4
  ) throws(RegisterError) -> UInt64 {
    guard let register = try SMMUv3.register(offset, width) else { return 0 }
    let value = core.state.withLock { $0.registers.value(register) }
    if width == 8 { return value }
    return offset & 4 != 0 && register.width == 8 ? value >> 32 : value & 0xffff_ffff
  }

  /// Writes a register, and does what the write asks for. If CMDQ_PROD moves, or an error of the
  /// command queue is acknowledged, the commands are carried out before this returns.
  ///
  /// - Parameters:
  ///   - offset: as for `readRegister`. A reserved or read-only register is not written.
  ///   - value: what is written; a write of 4 bytes takes its lower half.
  ///   - width: as for `readRegister`.
  /// - Throws: what `readRegister` throws.
  public func writeRegister(
    _ offset: UInt32, _ value: UInt64, width: Int = 4
  ) throws(RegisterError) {
    guard let register = try SMMUv3.register(offset, width) else { return }
    control.withLock { _ in
      let before = core.state.withLock { $0.registers.translation }
      let after = core.change { state in
        let old = state.registers.value(register)
        state.registers.write(
          SMMUv3.merge(value, into: old, register, offset, width), to: register)
        state.writeWaitingStalls()
        let translation = state.registers.translation
        core.isEnabled.store(translation.isEnabled, ordering: .releasing)
        return translation
      }
      if before != after { changeTranslation() }
    }
    core.deliver()
    drainCommands()
  }

  /// The register at an offset; nil if it is reserved.
  private static func register(
    _ offset: UInt32, _ width: Int
  ) throws(RegisterError) -> SMMURegister? {
    guard width == 4 || width == 8 else { throw .width(offset: offset, width) }
    if offset % UInt32(width) != 0 { throw .alignment(offset: offset) }
    if offset >= SMMURegister.byteCount { throw .outside(offset: offset) }
    let register = SMMURegister(containing: offset)
    if width == 8, register?.width != 8 { throw .width(offset: offset, width) }
    return register
  }

  /// The new value of a register after a write. A write of 4 bytes replaces one half of a register
  /// of 8.
  private static func merge(
    _ value: UInt64, into old: UInt64, _ register: SMMURegister, _ offset: UInt32, _ width: Int
  ) -> UInt64 {
    if width == 8 { return value }
    let half = value & 0xffff_ffff
    if register.width == 4 { return half }
    return offset & 4 != 0
      ? old & 0xffff_ffff | half << 32 : old & ~0xffff_ffff | half
  }

  /// Has all ports read the registers before their next transaction, and waits for the transactions
  /// that began with the old ones. That is what CR0ACK and GBPA.UPDATE promise.
  private func changeTranslation() {
    core.registerGeneration.wrappingAdd(1, ordering: .sequentiallyConsistent)
    core.tlb.countAllEpochs()
    waitForTransactions()
  }

  // MARK: Commands

  /// How many commands are carried out before the control lock is released for a moment, so that
  /// others get at the registers.
  private static let batch = 256

  /// Carries out the commands that are in the queue.
  private func drainCommands() {
    while true {
      let isMore = control.withLock { unit in
        unit.carryOut(SMMUv3.batch, self)
      }
      core.deliver()
      if !isMore { return }
    }
  }

  /// Carries out one command that does not come from the command queue.
  ///
  /// - Returns: the error that would stop the queue at this command; nil if it was carried out.
  public func execute(_ command: Command) -> CommandError? {
    let error = control.withLock { $0.execute(command, self) }
    core.deliver()
    return error
  }

  /// Puts a record into the event queue, as if a transaction had caused it.
  public func record(_ record: EventRecord) {
    core.change { $0.record(record) }
    core.deliver()
  }

  // MARK: What others may know

  /// How much the SMMU has done since it was made.
  public var counters: SMMUCounters { core.state.withLock { $0.counters } }

  /// How many transactions are stalled and wait for a RESUME.
  public var stallCount: Int { core.state.withLock { $0.stalls.count } }

  /// What the registers say about translation at this moment.
  public var translationRegisters: TranslationRegisters {
    core.state.withLock { $0.registers.translation }
  }
}

/// The ports of an SMMU.
private struct PortTable {
  /// The ports by their stream IDs.
  var byStream: [UInt32: StreamPort] = [:]
  /// The ports in the order in which they were made.
  var all: [StreamPort] = []
}
