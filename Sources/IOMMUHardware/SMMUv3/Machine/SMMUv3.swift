// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// An emulated SMMUv3: registers, tables in memory, caches, command, event and PRI queues.
///
/// It does what it is told and when it is told, on the caller's thread: a write to CMDQ_PROD
/// returns when the commands are done. It has no clock and no thread of its own, and the same
/// accesses give the same results.
///
/// Locks, in this order: the control lock (register writes and commands of the SMMU's own queue,
/// one at a time) or those of a CMDQV (see there), a port's gate (one transaction of a stream), a
/// shard of the TLB or the state (registers, queues, what is on its way out). Nobody is told
/// anything while one is held.
public final class SMMUv3: Sendable {
  /// The memory that it reads its tables and queues from.
  public let memory: PhysicalMemory
  /// What the ID registers say.
  public let features: SMMUv3Features
  /// What this implementation does where implementations differ.
  public let behaviour: SMMUv3Behaviour
  let core: SMMUCore
  private let control = Locked(CommandUnit())
  private let ports = Locked(PortTable())
  /// How many ports there are.
  let portCount = Atomic<Int>(0)

  /// - Parameter sink: is told of interrupts and answers.
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

  /// The port of a stream, which is made when it is first asked for.
  public func port(_ stream: UInt32) -> StreamPort {
    ports.withLock { ports in
      if let port = ports.byStream[stream] { return port }
      let port = StreamPort(stream, number: ports.all.count, core)
      ports.byStream[stream] = port
      ports.all.append(port)
      // Before anybody has the port: who knows that many has to wait for no more transactions.
      portCount.store(ports.all.count, ordering: .sequentiallyConsistent)
      return port
    }
  }

  func knownPort(_ stream: UInt32) -> StreamPort? {
    ports.withLock { $0.byStream[stream] }
  }

  /// All ports that there are.
  var knownPorts: [StreamPort] { ports.withLock { $0.all } }

  /// Waits until the transactions that are under way have ended.
  func waitForTransactions() {
    for port in knownPorts { port.gate.waitForPassage() }
  }

  // MARK: Registers

  /// Reads a register.
  ///
  /// - Parameters:
  ///   - offset: from the beginning of page 0; page 1 begins at 0x10000. What is reserved reads
  ///     as zero.
  ///   - width: 4 or 8 bytes.
  public func readRegister(
    _ offset: UInt32, width: Int = 4
  ) throws(RegisterError) -> UInt64 {
    guard let register = try SMMUv3.register(offset, width) else { return 0 }
    let value = core.state.withLock { $0.registers.value(register) }
    if width == 8 { return value }
    return offset & 4 != 0 && register.width == 8 ? value >> 32 : value & 0xffff_ffff
  }

  /// Writes a register, and does what the write asks for: commands are carried out when
  /// CMDQ_PROD moves or an error is acknowledged.
  ///
  /// - Parameters:
  ///   - offset: as for `readRegister`. What is reserved or read-only is not written.
  ///   - width: 4 or 8 bytes.
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

  /// The register's new value, of which a write of 4 bytes gives one half.
  private static func merge(
    _ value: UInt64, into old: UInt64, _ register: SMMURegister, _ offset: UInt32, _ width: Int
  ) -> UInt64 {
    if width == 8 { return value }
    let half = value & 0xffff_ffff
    if register.width == 4 { return half }
    return offset & 4 != 0
      ? old & 0xffff_ffff | half << 32 : old & ~0xffff_ffff | half
  }

  /// Has all ports look at the registers before their next transaction, and waits for those of
  /// before: what CR0ACK and GBPA.UPDATE promise.
  private func changeTranslation() {
    core.registerGeneration.wrappingAdd(1, ordering: .sequentiallyConsistent)
    core.tlb.countAllEpochs()
    waitForTransactions()
  }

  // MARK: Commands

  /// How many commands are carried out before the control lock is given to others for a moment.
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

  /// Carries out one command that comes from elsewhere than the command queue.
  ///
  /// - Returns: the error that it would stop its queue with; nil if it is done.
  public func execute(_ command: Command) -> CommandError? {
    let error = control.withLock { $0.execute(command, self) }
    core.deliver()
    return error
  }

  /// Puts a record into the event queue, as if a transaction had met what it says.
  public func record(_ record: EventRecord) {
    core.change { $0.record(record) }
    core.deliver()
  }

  // MARK: What others may know

  /// What the SMMU has done since it was made.
  public var counters: SMMUCounters { core.state.withLock { $0.counters } }

  /// How many transactions wait for a RESUME.
  public var stallCount: Int { core.state.withLock { $0.stalls.count } }

  /// A snapshot of what the registers say about translation.
  public var translationRegisters: TranslationRegisters {
    core.state.withLock { $0.registers.translation }
  }
}

private struct PortTable {
  var byStream: [UInt32: StreamPort] = [:]
  /// In the order in which they were made.
  var all: [StreamPort] = []
}
