// SPDX-License-Identifier: Apache-2.0
import Synchronization

extension Tegra241CMDQV {
  /// One command of a queue, and what was done with it.
  public struct ExecutedCommand: Sendable, Equatable {
    /// The command's place in the ring, without the wrap bit.
    public var index: UInt32
    /// The command as the ring contains it; all zero if the ring could not be read.
    public var guest: Command
    /// What the SMMU carried out for it, with the interface's VMID and the SMMU's stream ID; nil if
    /// the command was refused.
    public var executed: Command?
    /// Why the queue has stopped at this command; nil if it was carried out.
    public var error: QueueError?
  }

  /// Why a queue stops (CONS_INDX.ERR). The codes 1 to 3 are those of the SMMU's own queue. Nothing
  /// public says which code an unmatched stream ID has; 4 is this project's choice.
  public enum QueueError: UInt32, Error, Sendable, Equatable {
    /// There is no such command, or the interface may not give it.
    case illegal = 1
    /// The command could not be read.
    case fetchAbort = 2
    /// A device did not answer an ATC_INV that came before this CMD_SYNC.
    case atcInvSync = 3
    /// No enabled SID slot has the stream ID of the ATC_INV.
    case unmatchedSID = 4

    init(_ error: CommandError) {
      switch error {
      case .illegal: self = .illegal
      case .fetchAbort: self = .fetchAbort
      case .atcInvSync: self = .atcInvSync
      }
    }
  }
}

typealias QueueError = Tegra241CMDQV.QueueError

/// An invalidation of the TLB that extends over several commands of a batch.
///
/// A walk that has read the tables before an invalidation must not put its result into the TLB
/// after it. The TLB's epochs prevent that (see `TLB`). To count them less often, only the first
/// command of a batch for a VMID counts the VMID's epoch up. That is early enough for the later
/// commands of the batch too, because the guest has changed its tables before it wrote PROD. At its
/// end the invalidation counts the epoch up again, which makes the copies void that devices' ports
/// have made meanwhile. It ends before the CMD_SYNC by which the guest learns that it is done.
private struct BatchedInvalidation {
  private let tlb: TLB
  private var vmid: UInt16 = 0
  private var hasBegun = false
  private var isOpen = false

  init(_ tlb: TLB) { self.tlb = tlb }

  /// Counts the epoch up before the first command for a VMID. If the command before was for another
  /// VMID, that one's invalidation ends here.
  @inline(__always)
  mutating func begin(_ vmid: UInt16) {
    if !hasBegun || vmid != self.vmid {
      end()
      self.vmid = vmid
      tlb.countEpoch(ofVMID: vmid)
      hasBegun = true
    }
    isOpen = true
  }

  /// Ends the invalidation: counts the epoch up again, if anything was invalidated since it began.
  @inline(__always)
  mutating func end() {
    if isOpen { tlb.countEpoch(ofVMID: vmid) }
    isOpen = false
  }
}

extension VCMDQ {
  /// Carries out at most `limit` commands.
  ///
  /// - Parameters:
  ///   - limit: at most `batch`.
  ///   - state: the queue's registers; the caller holds the queue's lock.
  func carryOut(_ limit: Int, _ state: inout VCMDQState) {
    var none: [Tegra241CMDQV.ExecutedCommand] = []
    carryOut(limit, &state, isRecording: false, &none)
  }

  /// Carries out at most `limit` commands, and records what was done with each if `isRecording`.
  ///
  /// - Parameters:
  ///   - limit: at most `batch`.
  ///   - state: the queue's registers; the caller holds the queue's lock.
  ///   - isRecording: whether `record` gets an element for each command.
  ///   - record: the elements are added at its end.
  func carryOut(
    _ limit: Int, _ state: inout VCMDQState, isRecording: Bool,
    _ record: inout [Tegra241CMDQV.ExecutedCommand]
  ) {
    guard state.hasWork, let binding = state.binding else { return }
    var rest = limit
    var failure: QueueError?
    var invalidation = BatchedInvalidation(tlb)
    while rest > 0, failure == nil, !state.ring.isEmpty {
      let count = fetch(state.ring, rest)
      if count == 0 {
        failure = .fetchAbort
        if isRecording { record.append(executed(state.ring.cons, nil, nil, failure, state.ring)) }
        break
      }
      var done = 0
      while done < count {
        var command = commands[done]
        failure =
          binding.isHypervisorOwned
          ? execute(command, &state.unit, &invalidation)
          : execute(&command, binding.vmid, &state.unit, &invalidation)
        if isRecording {
          let index = state.ring.cons &+ UInt32(truncatingIfNeeded: done)
          record.append(executed(index, commands[done], command, failure, state.ring))
        }
        if failure != nil { break }
        done += 1
      }
      rest -= done
      state.counters.commands &+= UInt64(done)
      state.ring.advance(done)
    }
    invalidation.end()
    if let failure { stop(failure, &state) }
    if binding.writesCONS, state.consBase != 0 { writeCONS(&state) }
  }

  /// What is recorded of one command.
  private func executed(
    _ index: UInt32, _ guest: Command?, _ command: Command?, _ error: QueueError?,
    _ ring: QueueRegisters
  ) -> Tegra241CMDQV.ExecutedCommand {
    Tegra241CMDQV.ExecutedCommand(
      index: index & ((1 << ring.log2Size) - 1), guest: guest ?? Command(dw0: 0, dw1: 0),
      executed: error == nil ? command : nil, error: error)
  }

  /// Puts the error into CONS.ERR and signals it in GERROR. The queue stands still until GERRORN
  /// acknowledges it.
  private func stop(_ error: QueueError, _ state: inout VCMDQState) {
    state.ring.cons = state.ring.cons & QueueRegisters.indexMask | error.rawValue << 24
    state.counters.errors &+= 1
    state.signal(VCMDQState.commandError)
  }

  /// Writes CONS to memory, as CONFIG.CONS_DRAM_EN asks for. It is only called when the queue has
  /// an address for it.
  private func writeCONS(_ state: inout VCMDQState) {
    do { try smmu.memory.write32(state.ring.cons, at: state.consBase) } catch {
      state.signal(VCMDQState.consWriteAbort)
    }
  }

  // MARK: TLBI_NH_ASID and TLBI_NH_VA

  /// Carries out a TLBI_NH_ASID or TLBI_NH_VA: drops the TLB entries that it names.
  @inline(__always)
  private func invalidateTLB(
    _ command: Command, _ invalidation: inout BatchedInvalidation
  ) -> QueueError? {
    guard command.isLegal(for: features) else { return .illegal }
    let vmid = features.s2p ? command.vmid : 0
    invalidation.begin(vmid)
    if !tlb.isEmpty(vmid) { dropEntries(command, vmid) }
    return nil
  }

  /// Drops the TLB entries that a TLBI_NH_ASID or TLBI_NH_VA names. It is apart from
  /// `invalidateTLB`, which most commands leave early because the TLB has nothing of their VMID.
  private func dropEntries(_ command: Command, _ vmid: UInt16) {
    var invalidation = TLBInvalidation(.el1, vmid: vmid, asid: command.asid)
    if command.opcode == .tlbiNHASID {
      invalidation.includesGlobal = false
    } else {
      invalidation.reachesOnly(command, features)
    }
    tlb.dropEntries(invalidation)
  }

  // MARK: The hypervisor's commands

  /// Carries out a command of an interface with HYP_OWN. All commands of the SMMU are allowed
  /// there, and nothing in them is replaced.
  @inline(__always)
  private func execute(
    _ command: Command, _ unit: inout CommandUnit, _ invalidation: inout BatchedInvalidation
  ) -> QueueError? {
    switch command.opcode {
    case .tlbiNHASID, .tlbiNHVA: return invalidateTLB(command, &invalidation)
    default:
      invalidation.end()
      return unit.execute(command, smmu).map { QueueError($0) }
    }
  }

  // MARK: A guest's commands

  /// Carries out a command of a guest: one of those that Linux sends to such a queue
  /// (`tegra241_guest_vcmdq_supports_cmd`), or a CMD_SYNC. All others are refused.
  ///
  /// - Parameters:
  ///   - command: becomes what the SMMU carries out.
  ///   - vmid: the interface's VMID, which takes the place of the command's.
  ///   - unit: the queue's command unit.
  ///   - invalidation: the batch's invalidation.
  /// - Returns: why the command is refused; nothing was done then. Nil if it was carried out.
  @inline(__always)
  private func execute(
    _ command: inout Command, _ vmid: UInt16, _ unit: inout CommandUnit,
    _ invalidation: inout BatchedInvalidation
  ) -> QueueError? {
    switch command.opcode {
    case .tlbiNHASID, .tlbiNHVA:
      command.dw0.setField(47, 32, UInt64(vmid))
      return invalidateTLB(command, &invalidation)
    case .atcInv: return invalidateATC(&command, &unit)
    case .sync:
      invalidation.end()
      return synchronise(command, &unit)
    default: return .illegal
    }
  }

  /// Carries out an ATC_INV: finds the SID slot with the guest's stream ID, and sends the command
  /// to the stream that the slot names.
  @inline(__always)
  private func invalidateATC(
    _ command: inout Command, _ unit: inout CommandUnit
  ) -> QueueError? {
    guard command.isLegal(for: features) else { return .illegal }
    guard let slot = slots.find(command.streamID) else { return .unmatchedSID }
    command.dw0.setField(63, 32, UInt64(slots.stream(slot)))
    // While the SMMU is disabled an ATC_INV reaches no device, just like one in the SMMU's own
    // queue.
    guard core.isEnabled.load(ordering: .acquiring) else { return nil }
    if let port = slots.port(slot) ?? findPort(slot) {
      let isAnswered = ports[port].with { $0.invalidateATC(command) }
      if !isAnswered { unit.noteATCTimeout() }
    }
    return nil
  }

  /// Looks for the port of a slot's stream, and keeps its number in the slot. A stream that has
  /// never been used has no port.
  @inline(never)
  private func findPort(_ slot: Int) -> Int? {
    guard let port = smmu.knownPort(slots.stream(slot)) else { return nil }
    updatePorts()
    guard port.number < ports.count else { return nil }
    slots.setPort(slot, port.number)
    return port.number
  }

  /// Carries out a CMD_SYNC of a guest. It signals nothing, because the guest polls CONS to learn
  /// that it is done, as Linux does on such a queue.
  private func synchronise(_ command: Command, _ unit: inout CommandUnit) -> QueueError? {
    guard command.isLegal(for: features) else { return .illegal }
    if command.dw0.field(13, 12) != 0, !ignoresGuestSignals { return .illegal }
    if unit.takeATCTimeout(core) { return .atcInvSync }
    waitForTransactions()
    return nil
  }
}

extension QueueRegisters {
  /// Moves CONS on by `count` entries. The other bits of the register stay as they are.
  mutating func advance(_ count: Int) {
    let mask = (UInt32(2) << log2Size) - 1
    cons =
      cons & ~QueueRegisters.indexMask
      | (cons &+ UInt32(truncatingIfNeeded: count)) & mask
  }
}
