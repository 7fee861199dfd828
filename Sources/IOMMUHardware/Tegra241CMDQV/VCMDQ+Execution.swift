// SPDX-License-Identifier: Apache-2.0
import Synchronization

extension Tegra241CMDQV {
  /// What became of one command.
  public struct ExecutedCommand: Sendable, Equatable {
    /// Its place in the ring.
    public var index: UInt32
    /// What the ring contains; all zero if that could not be read.
    public var guest: Command
    /// What the SMMU carried out in its stead; nil if it was refused.
    public var executed: Command?
    /// Why the queue stands still at this command.
    public var error: QueueError?
  }

  /// Why a queue stops (CONS_INDX.ERR).
  public enum QueueError: UInt32, Error, Sendable, Equatable {
    /// The command is none, or none that its interface may give.
    case illegal = 1
    /// The command could not be read.
    case fetchAbort = 2
    /// A device has not answered an ATC_INV before this CMD_SYNC.
    case atcInvSync = 3
    /// No SID slot has the ATC_INV's stream ID.
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

/// An invalidation of the TLB that goes on over several commands.
///
/// A walk that began before it must not leave its result behind it: the first of a batch's
/// commands for a VMID counts the VMID's epoch. That is early enough for those behind it, because
/// what they are for was written to the tables before PROD was. The copies that devices took
/// meanwhile become void when it ends, which is before the CMD_SYNC that says so.
private struct BatchedInvalidation {
  private let tlb: TLB
  private var vmid: UInt16 = 0
  private var hasBegun = false
  private var isOpen = false

  init(_ tlb: TLB) { self.tlb = tlb }

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

  @inline(__always)
  mutating func end() {
    if isOpen { tlb.countEpoch(ofVMID: vmid) }
    isOpen = false
  }
}

extension VCMDQ {
  /// Carries out at most `limit` commands, which is at most a batch.
  ///
  /// - Parameter state: the queue's, whose lock the caller holds.
  func carryOut(_ limit: Int, _ state: inout VCMDQState) {
    var none: [Tegra241CMDQV.ExecutedCommand] = []
    carryOut(limit, &state, isRecording: false, &none)
  }

  /// - Parameter record: gets what became of the commands, if it `isRecording`.
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

  private func executed(
    _ index: UInt32, _ guest: Command?, _ command: Command?, _ error: QueueError?,
    _ ring: QueueRegisters
  ) -> Tegra241CMDQV.ExecutedCommand {
    Tegra241CMDQV.ExecutedCommand(
      index: index & ((1 << ring.log2Size) - 1), guest: guest ?? Command(dw0: 0, dw1: 0),
      executed: error == nil ? command : nil, error: error)
  }

  /// Stops the queue at CONS until the error is acknowledged.
  private func stop(_ error: QueueError, _ state: inout VCMDQState) {
    state.ring.cons = state.ring.cons & QueueRegisters.indexMask | error.rawValue << 24
    state.counters.errors &+= 1
    state.signal(VCMDQState.commandError)
  }

  /// Shows CONS in memory. Without an address there is nothing to write to.
  private func writeCONS(_ state: inout VCMDQState) {
    do { try smmu.memory.write32(state.ring.cons, at: state.consBase) } catch {
      state.signal(VCMDQState.consWriteAbort)
    }
  }

  // MARK: TLBI_NH_ASID and TLBI_NH_VA

  /// Forgets what a TLBI_NH_ASID or TLBI_NH_VA names.
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

  /// Carries out any command as it is.
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

  /// Carries out a guest's command.
  ///
  /// - Parameter command: becomes what the SMMU carries out.
  /// - Returns: why it is refused; nothing was done then.
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

  @inline(__always)
  private func invalidateATC(
    _ command: inout Command, _ unit: inout CommandUnit
  ) -> QueueError? {
    guard command.isLegal(for: features) else { return .illegal }
    guard let slot = slots.find(command.streamID) else { return .unmatchedSID }
    command.dw0.setField(63, 32, UInt64(slots.stream(slot)))
    // As of the SMMU's own queue, it reaches no device while the SMMU is off.
    guard core.isEnabled.load(ordering: .acquiring) else { return nil }
    if let port = slots.port(slot) ?? findPort(slot) {
      let isAnswered = ports[port].with { $0.invalidateATC(command) }
      if !isAnswered { unit.noteATCTimeout() }
    }
    return nil
  }

  /// Looks for the port of a slot, which there is none of while the device has never been used.
  @inline(never)
  private func findPort(_ slot: Int) -> Int? {
    guard let port = smmu.knownPort(slots.stream(slot)) else { return nil }
    updatePorts()
    guard port.number < ports.count else { return nil }
    slots.setPort(slot, port.number)
    return port.number
  }

  /// A guest's queue says that it is done by CONS alone.
  private func synchronise(_ command: Command, _ unit: inout CommandUnit) -> QueueError? {
    guard command.isLegal(for: features) else { return .illegal }
    if command.dw0.field(13, 12) != 0, !ignoresGuestSignals { return .illegal }
    if unit.takeATCTimeout(core) { return .atcInvSync }
    waitForTransactions()
    return nil
  }
}

extension QueueRegisters {
  /// Moves CONS on; the other bits of the register stay.
  mutating func advance(_ count: Int) {
    let mask = (UInt32(2) << log2Size) - 1
    cons =
      cons & ~QueueRegisters.indexMask
      | (cons &+ UInt32(truncatingIfNeeded: count)) & mask
  }
}
