// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// Why a command queue stops: the code in CMDQ_CONS.ERR (section 7.1).
public enum CommandError: UInt32, Error, Sendable, Equatable {
  /// CERROR_ILL: there is no such command, or this SMMU does not accept it.
  case illegal = 1
  /// CERROR_ABT: the command could not be read.
  case fetchAbort = 2
  /// CERROR_ATC_INV_SYNC: a device did not answer an ATC_INV that came before this CMD_SYNC.
  case atcInvSync = 3
}

/// Carries commands out. The SMMU's own queue has a unit, and so has each of CMDQV's, because each
/// queue reports its own ATC_INVs that were not answered.
struct CommandUnit: Sendable {
  /// The number of the CMDQV's queue that the unit belongs to; nil for the SMMU's own.
  private let queue: Int?
  /// Whether an ATC_INV was not answered since the queue's last CMD_SYNC. The next one reports it.
  private(set) var hasATCTimeout = false

  init(queue: Int? = nil) { self.queue = queue }

  // MARK: The command queue

  /// Carries out at most `count` commands of the SMMU's own queue.
  ///
  /// - Returns: whether there are more commands that can be carried out.
  mutating func carryOut(_ count: Int, _ smmu: SMMUv3) -> Bool {
    let core = smmu.core
    guard
      var queue = core.state.withLock({ state in
        state.registers.hasCommands ? state.registers.cmdq : nil
      })
    else { return false }
    var done: UInt64 = 0
    var failure: CommandError?
    while done < UInt64(count), !queue.isEmpty, failure == nil {
      failure = step(queue, smmu)
      if failure == nil {
        queue.cons = queue.next(queue.cons)
        done &+= 1
      }
    }
    return core.change { state in
      state.counters.commands &+= done
      // ERR keeps its value until the next error, even after it was acknowledged.
      state.registers.cmdq.cons =
        state.registers.cmdq.cons & ~QueueRegisters.indexMask
        | queue.cons & QueueRegisters.indexMask
      if let failure {
        state.registers.cmdq.cons =
          state.registers.cmdq.cons & ~0x7f00_0000 | failure.rawValue << 24
        state.signal(GlobalError.cmdq)
      }
      return state.registers.hasCommands
    }
  }

  /// Reads the command at CONS and carries it out.
  private mutating func step(_ queue: QueueRegisters, _ smmu: SMMUv3) -> CommandError? {
    let address = queue.address(of: queue.cons)
    let command: Command
    do {
      command = Command(
        dw0: try smmu.memory.read64(address), dw1: try smmu.memory.read64(address &+ 8))
    } catch {
      return .fetchAbort
    }
    if command.opcode == .sync {
      // Software that polls for the message of a CMD_SYNC expects CONS to be behind the commands
      // before it, so CONS is updated first.
      smmu.core.change { state in
        state.registers.cmdq.cons =
          state.registers.cmdq.cons & ~QueueRegisters.indexMask
          | queue.cons & QueueRegisters.indexMask
      }
    }
    return execute(command, smmu)
  }

  // MARK: Commands

  /// Carries out a command, on whichever queue it came.
  ///
  /// - Returns: why the command is refused; nothing was done then. Nil if it was carried out.
  mutating func execute(_ command: Command, _ smmu: SMMUv3) -> CommandError? {
    guard command.isLegal(for: smmu.features) else { return .illegal }
    switch command.opcode {
    case .cfgiSTE: smmu.knownPort(command.streamID)?.alone { $0.dropConfiguration() }
    case .cfgiSTERange: invalidateEntries(command, smmu)
    case .cfgiCD:
      smmu.knownPort(command.streamID)?.alone { $0.dropContext(command.substreamID) }
    case .cfgiCDAll: smmu.knownPort(command.streamID)?.alone { $0.dropContexts() }
    case .atcInv, .priResp:
      // Both need an enabled SMMU to reach the device. While it is disabled, they are ignored.
      if smmu.core.isEnabled.load(ordering: .acquiring) { send(command, smmu) }
    case .resume, .stallTerm: answerStalls(command, smmu)
    case .sync: return synchronise(command, smmu)
    // A prefetch is only a hint, and the SMMU may ignore it.
    case .prefetchConfig, .prefetchAddress: break
    default: invalidateTranslations(command, smmu)
    }
    return nil
  }

  /// Carries out CFGI_STE_RANGE and CFGI_ALL: drops the configuration of `2^(RANGE + 1)` streams,
  /// with the first at a multiple of that.
  private func invalidateEntries(_ command: Command, _ smmu: SMMUv3) {
    let ignored = UInt64.ones(Int(command.dw1.field(4, 0)) + 1)
    let first = UInt64(command.streamID) & ~ignored
    for port in smmu.knownPorts where UInt64(port.streamID) & ~ignored == first {
      port.alone { $0.dropConfiguration() }
    }
  }

  /// Carries out a TLBI command.
  private func invalidateTranslations(_ command: Command, _ smmu: SMMUv3) {
    let features = smmu.features
    let vmid = features.s2p ? command.vmid : 0
    let tlb = smmu.core.tlb
    switch command.opcode {
    case .tlbiNHAll: tlb.drop(TLBInvalidation(.el1, vmid: vmid))
    case .tlbiNHASID:
      var invalidation = TLBInvalidation(.el1, vmid: vmid, asid: command.asid)
      invalidation.includesGlobal = false
      tlb.drop(invalidation)
    case .tlbiNHVA: drop(TLBInvalidation(.el1, vmid: vmid, asid: command.asid), command, smmu)
    case .tlbiNHVAA: drop(TLBInvalidation(.el1, vmid: vmid), command, smmu)
    case .tlbiEL2All:
      tlb.drop(TLBInvalidation(.el2, vmid: 0))
      tlb.drop(TLBInvalidation(.el2Host, vmid: 0))
    case .tlbiEL2ASID:
      var invalidation = TLBInvalidation(.el2Host, vmid: 0, asid: command.asid)
      invalidation.includesGlobal = false
      tlb.drop(invalidation)
    case .tlbiEL2VA:
      drop(TLBInvalidation(.el2, vmid: 0), command, smmu)
      drop(TLBInvalidation(.el2Host, vmid: 0, asid: command.asid), command, smmu)
    case .tlbiEL2VAA: drop(TLBInvalidation(.el2Host, vmid: 0), command, smmu)
    case .tlbiS12VMAll:
      // The entries of stage 2 alone are dropped first. Until then, a walk that is under way may
      // make an entry of both stages from an old one of them. Such an entry is either in the TLB
      // when those of both stages are dropped, or is not let in, because the epoch has changed.
      tlb.drop(TLBInvalidation(.stage2, vmid: vmid))
      tlb.drop(TLBInvalidation(.el1, vmid: vmid))
    case .tlbiS2IPA: drop(TLBInvalidation(.stage2, vmid: vmid), command, smmu)
    default:
      tlb.drop(TLBInvalidation(.stage2))
      tlb.drop(TLBInvalidation(.el1))
    }
  }

  /// Drops the TLB entries for the addresses of a command.
  private func drop(_ invalidation: TLBInvalidation, _ command: Command, _ smmu: SMMUv3) {
    var invalidation = invalidation
    invalidation.reachesOnly(command, smmu.features)
    smmu.core.tlb.drop(invalidation)
  }

  // MARK: Devices

  /// Sends an ATC_INV or a PRI_RESP to the device.
  private mutating func send(_ command: Command, _ smmu: SMMUv3) {
    if command.opcode == .atcInv {
      invalidateATC(command, smmu)
    } else {
      answerPageRequest(command, smmu)
    }
  }

  /// Has a device drop entries of its ATC. A stream that has never been used has no device to ask.
  private mutating func invalidateATC(_ command: Command, _ smmu: SMMUv3) {
    guard let port = smmu.knownPort(command.streamID) else { return }
    if !port.invalidateATC(command) { noteATCTimeout() }
  }

  /// Has the queue's next CMD_SYNC report that a device did not answer an ATC_INV.
  mutating func noteATCTimeout() { hasATCTimeout = true }

  /// Carries out a PRI_RESP.
  private func answerPageRequest(_ command: Command, _ smmu: SMMUv3) {
    guard let code = PageResponse.Code(rawValue: command.dw1.field(13, 12)) else { return }
    let response = PageResponse(
      streamID: command.streamID,
      substreamID: command.hasSubstream ? command.substreamID : nil,
      group: UInt16(truncatingIfNeeded: command.dw1.field(8, 0)), code: code, isAutomatic: false)
    smmu.core.change { $0.outbox.append(.pageResponse(response)) }
  }

  /// Carries out a RESUME or a STALL_TERM.
  private func answerStalls(_ command: Command, _ smmu: SMMUv3) {
    // With Ac, bit 12, the device tries again. Without it Ab, bit 13, aborts the transaction.
    let outcome: StallAnswer.Outcome =
      command.dw0.bit(12) ? .retry : command.dw0.bit(13) ? .abort : .zero
    let stag = UInt16(truncatingIfNeeded: command.dw1)
    smmu.core.change { state in
      if command.opcode == .stallTerm {
        for (stag, transaction) in state.stalls.removeAll(of: command.streamID) {
          state.outbox.append(
            .stallAnswered(StallAnswer(transaction: transaction, stag: stag, outcome: .abort)))
        }
      } else if let transaction = state.stalls.remove(command.streamID, stag: stag) {
        state.outbox.append(
          .stallAnswered(StallAnswer(transaction: transaction, stag: stag, outcome: outcome)))
      }
    }
  }

  // MARK: CMD_SYNC

  /// Carries out a CMD_SYNC: waits until everything before it is done. That includes the
  /// transactions under way, because they may still use something that a command before it has
  /// dropped.
  private mutating func synchronise(_ command: Command, _ smmu: SMMUv3) -> CommandError? {
    // The queue stops at this CMD_SYNC, which is carried out once the error is acknowledged.
    if takeATCTimeout(smmu.core) { return .atcInvSync }
    smmu.waitForTransactions()
    smmu.core.change { state in
      switch command.dw0.field(13, 12) {
      case 1:
        let message = MessageInterrupt(
          address: command.dw1 & 0x000f_ffff_ffff_fffc,
          data: UInt32(truncatingIfNeeded: command.dw0.field(63, 32)))
        state.send(.commandSync, message, GlobalError.msiCmdqAbort)
      case 2: state.outbox.append(.wakeEvent)
      default: break
      }
    }
    return nil
  }

  /// Whether a CMD_SYNC has to report an ATC_INV that was not answered. Asking clears it, so that
  /// it is reported once. A queue reports its own ATC_INVs. The SMMU's own queue also reports those
  /// of CMDQV's queues that were switched off, so that a driver can get rid of them before it gives
  /// such a queue to somebody else.
  @inline(__always)
  mutating func takeATCTimeout(_ core: SMMUCore) -> Bool {
    let isAbandoned =
      if let queue { core.takeAbandonedTimeout(ofQueue: queue) } else {
        core.takeAbandonedTimeouts()
      }
    defer { hasATCTimeout = false }
    return hasATCTimeout || isAbandoned
  }

  /// Leaves an ATC_INV that was not answered to the SMMU's own queue, because this queue is
  /// switched off.
  mutating func abandonATCTimeout(_ core: SMMUCore) {
    guard hasATCTimeout, let queue else { return }
    hasATCTimeout = false
    core.abandonTimeout(ofQueue: queue)
  }
}
