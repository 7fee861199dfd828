// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// A queue (VCMDQ): its registers behind a lock of its own, and what it needs to carry out its
/// commands.
final class VCMDQ: @unchecked Sendable {
  /// The queue's global number.
  let number: Int
  let smmu: SMMUv3
  let core: SMMUCore
  let tlb: TLB
  let features: SMMUv3Features
  /// Whether a guest's CMD_SYNC that asks for a signal is carried out without one.
  let ignoresGuestSignals: Bool
  /// The queue's registers, behind its lock.
  let lock: Locked<VCMDQState>

  // Everything below belongs to whoever holds the lock.

  /// The commands that were fetched last. The table gets its full size with the first fetch, so
  /// that a queue that is not used costs little.
  var commands = MaskedTable(log2Count: 0, repeating: Command(dw0: 0, dw1: 0))
  /// The SID slots of the interface that the queue is mapped into.
  var slots = SIDMatchTable()
  /// The SMMU's ports, by their numbers. The references are not counted, because the SMMU never
  /// gives a port up and this queue keeps the SMMU alive.
  private(set) var ports: [KeptReference<StreamPort>] = []

  /// How many commands are carried out before the queue's lock is released for a moment, so that
  /// others get at its registers.
  static let batch = 256
  /// The most commands that PROD and CONS can be apart: twice the entries of the greatest ring.
  static let greatestRun = 1 << 20

  init(_ number: Int, _ smmu: SMMUv3, _ features: SMMUv3Features, ignoresGuestSignals: Bool) {
    self.number = number
    self.smmu = smmu
    core = smmu.core
    tlb = smmu.core.tlb
    self.features = features
    self.ignoresGuestSignals = ignoresGuestSignals
    lock = Locked(VCMDQState(number, greatestLog2Size: features.cmdqs))
  }

  /// Changes the queue's registers, and updates the error map to match.
  ///
  /// - Parameters:
  ///   - state: the registers; the caller holds the queue's lock.
  ///   - errors: the error map of the CMDQV.
  ///   - body: makes the change.
  /// - Returns: what is to be done when the lock is released.
  @inline(__always)
  func change(
    _ state: inout VCMDQState, _ errors: CMDQVErrors, _ body: (inout VCMDQState) -> Void
  ) -> VCMDQEffects {
    body(&state)
    errors.set(number, state.hasError)
    defer { state.newErrors = 0 }
    return VCMDQEffects(
      vintf: state.binding?.vintf, errors: state.newErrors, hasWork: state.hasWork,
      isDeferred: state.isDeferred)
  }

  /// Maps the queue into an interface, or unmaps it if `binding` is nil.
  func bind(_ binding: VCMDQBinding?, _ state: inout VCMDQState) {
    let old = state.binding
    state.binding = binding
    if let binding, old?.match != binding.match || old?.replace != binding.replace {
      slots.fill(match: binding.match, replace: binding.replace)
    }
    state.settle(core)
  }

  // MARK: Fetching

  /// Fetches commands from CONS on, at most a batch of them.
  ///
  /// - Returns: how many were fetched; 0 if not even the first can be read.
  func fetch(_ ring: QueueRegisters, _ limit: Int) -> Int {
    if commands.count == 1 {
      commands = MaskedTable(log2Count: 8, repeating: Command(dw0: 0, dw1: 0))
    }
    let count = min(limit, VCMDQ.batch, ring.contiguousCount)
    let address = ring.address(of: ring.cons)
    if (try? smmu.memory.readCommands(address, count, into: commands)) != nil { return count }
    // Memory ends within the ring, so the commands before its end are fetched one at a time.
    return (try? smmu.memory.readCommands(address, 1, into: commands)) != nil ? 1 : 0
  }

  // MARK: Ports

  /// Takes over the ports that the SMMU has made since the last time.
  @inline(__always)
  func updatePorts() {
    if ports.count != smmu.portCount.load(ordering: .sequentiallyConsistent) {
      ports = smmu.knownPorts.map { KeptReference($0) }
    }
  }

  /// Waits until the transactions that are under way have ended, as a CMD_SYNC promises.
  @inline(__always)
  func waitForTransactions() {
    updatePorts()
    for port in ports { port.with { $0.gate.waitForPassage() } }
  }
}

extension QueueRegisters {
  /// How many entries there are between CONS and PROD.
  var usedCount: Int { Int((prod &- cons) & ((2 << log2Size) - 1)) }

  /// How many of these entries can be read in one piece from CONS on, before the ring continues at
  /// its base.
  var contiguousCount: Int {
    min(usedCount, Int((1 << log2Size) - cons & ((1 << log2Size) - 1)))
  }
}
