// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// Why a command queue stops (CMDQ_CONS.ERR, section 7.1).
public enum CommandError: UInt32, Error, Sendable, Equatable {
  /// CERROR_ILL: the SMMU cannot decode the command.
  case illegal = 1
  /// CERROR_ABT: the command could not be read.
  case fetchAbort = 2
  /// CERROR_ATC_INV_SYNC: a device has not answered an ATC_INV before this CMD_SYNC.
  case atcInvSync = 3
}

/// Reads commands and carries them out. Every queue has one.
struct CommandUnit: Sendable {
  /// The number of CMDQV's queue, or nil for the SMMU's own.
  private let queue: Int?
  /// An ATC_INV was not answered; the queue's next CMD_SYNC says so.
  private(set) var hasATCTimeout = false

  init(queue: Int? = nil) { self.queue = queue }

  // MARK: The command queue

  /// Carries out at most `count` commands.
  ///
  /// - Returns: whether there are more.
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
      // ERR keeps what it said until the next error.
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
      // Whoever polls for the end of a SYNC must find CONS behind what came before it.
      smmu.core.change { state in
        state.registers.cmdq.cons =
          state.registers.cmdq.cons & ~QueueRegisters.indexMask
          | queue.cons & QueueRegisters.indexMask
      }
    }
    return execute(command, smmu)
  }

  // MARK: Commands

  /// Carries out a command.
  ///
  /// - Returns: what is wrong with it; nothing was done then.
  mutating func execute(_ command: Command, _ smmu: SMMUv3) -> CommandError? {
    guard command.isLegal(for: smmu.features) else { return .illegal }
    switch command.opcode {
    case .cfgiSTE: smmu.knownPort(command.streamID)?.alone { $0.dropConfiguration() }
    case .cfgiSTERange: invalidateEntries(command, smmu)
    case .cfgiCD:
      smmu.knownPort(command.streamID)?.alone { $0.dropContext(command.substreamID) }
    case .cfgiCDAll: smmu.knownPort(command.streamID)?.alone { $0.dropContexts() }
    case .atcInv, .priResp:
      // Both need an SMMU that is enabled to reach the device; else they are ignored.
      if smmu.core.isEnabled.load(ordering: .acquiring) { send(command, smmu) }
    case .resume, .stallTerm: answerStalls(command, smmu)
    case .sync: return synchronise(command, smmu)
    // A prefetch may do nothing.
    case .prefetchConfig, .prefetchAddress: break
    default: invalidateTranslations(command, smmu)
    }
    return nil
  }

  /// CFGI_STE_RANGE, and CFGI_ALL.
  private func invalidateEntries(_ command: Command, _ smmu: SMMUv3) {
    let ignored = UInt64.ones(Int(command.dw1.field(4, 0)) + 1)
    let first = UInt64(command.streamID) & ~ignored
    for port in smmu.knownPorts where UInt64(port.streamID) & ~ignored == first {
      port.alone { $0.dropConfiguration() }
    }
  }

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
      // Stage 2 first: what is translated meanwhile with an old piece of it is dropped, or not
      // let in, as an entry of both stages.
      tlb.drop(TLBInvalidation(.stage2, vmid: vmid))
      tlb.drop(TLBInvalidation(.el1, vmid: vmid))
    case .tlbiS2IPA: drop(TLBInvalidation(.stage2, vmid: vmid), command, smmu)
    default:
      tlb.drop(TLBInvalidation(.stage2))
      tlb.drop(TLBInvalidation(.el1))
    }
  }

  private func drop(_ invalidation: TLBInvalidation, _ command: Command, _ smmu: SMMUv3) {
    var invalidation = invalidation
    invalidation.reachesOnly(command, smmu.features)
    smmu.core.tlb.drop(invalidation)
  }

  // MARK: Devices

  private mutating func send(_ command: Command, _ smmu: SMMUv3) {
    if command.opcode == .atcInv {
      invalidateATC(command, smmu)
    } else {
      answerPageRequest(command, smmu)
    }
  }

  private mutating func invalidateATC(_ command: Command, _ smmu: SMMUv3) {
    guard let port = smmu.knownPort(command.streamID) else { return }
    if !port.invalidateATC(command) { noteATCTimeout() }
  }

  /// Has the next CMD_SYNC say that a device has not answered.
  mutating func noteATCTimeout() { hasATCTimeout = true }

  private func answerPageRequest(_ command: Command, _ smmu: SMMUv3) {
    guard let code = PageResponse.Code(rawValue: command.dw1.field(13, 12)) else { return }
    let response = PageResponse(
      streamID: command.streamID,
      substreamID: command.hasSubstream ? command.substreamID : nil,
      group: UInt16(truncatingIfNeeded: command.dw1.field(8, 0)), code: code, isAutomatic: false)
    smmu.core.change { $0.outbox.append(.pageResponse(response)) }
  }

  private func answerStalls(_ command: Command, _ smmu: SMMUv3) {
    // Ac, bit 12, tries again; without it Ab, bit 13, aborts.
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

  /// Says that everything before it is done, which includes the transactions that were under way
  /// with what has been dropped.
  private mutating func synchronise(_ command: Command, _ smmu: SMMUv3) -> CommandError? {
    // Reported once: the queue stops at this SYNC, which is carried out after the
    // acknowledgement.
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

  /// Whether a CMD_SYNC has an ATC_INV without an answer to report: one of its own queue. The
  /// SMMU's own queue reports those of CMDQV's queues that were switched off, too: so a driver
  /// which gives a queue to somebody else can flush what is left of it.
  @inline(__always)
  mutating func takeATCTimeout(_ core: SMMUCore) -> Bool {
    let isAbandoned =
      if let queue { core.takeAbandonedTimeout(ofQueue: queue) } else {
        core.takeAbandonedTimeouts()
      }
    defer { hasATCTimeout = false }
    return hasATCTimeout || isAbandoned
  }

  /// Leaves a timeout to the SMMU's own queue, because this one is switched off.
  mutating func abandonATCTimeout(_ core: SMMUCore) {
    guard hasATCTimeout, let queue else { return }
    hasATCTimeout = false
    core.abandonTimeout(ofQueue: queue)
  }
}
