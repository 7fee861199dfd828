// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// A queue: its registers behind its lock, and what carrying out its commands needs.
final class VCMDQ: @unchecked Sendable {
  let number: Int
  let smmu: SMMUv3
  let core: SMMUCore
  let tlb: TLB
  let features: SMMUv3Features
  let ignoresGuestSignals: Bool
  let lock: Locked<VCMDQState>

  // Everything below belongs to whoever holds the lock.

  /// Commands that were fetched; room for none until the first are.
  var commands = MaskedTable(log2Count: 0, repeating: Command(dw0: 0, dw1: 0))
  /// The interface's slots.
  var slots = SIDMatchTable()
  /// The SMMU's ports, by number. It keeps them as long as it is there itself.
  private(set) var ports: [KeptReference<StreamPort>] = []

  /// How many commands are carried out before the lock is given to others for a moment.
  static let batch = 256
  /// The most commands that a ring's indices can be apart: twice the greatest ring.
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

  /// Changes the queue, has the error maps follow, and says what is to be done then.
  ///
  /// - Parameter state: the queue's, whose lock the caller holds.
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

  /// Maps the queue into an interface, or into none.
  func bind(_ binding: VCMDQBinding?, _ state: inout VCMDQState) {
    let old = state.binding
    state.binding = binding
    if let binding, old?.match != binding.match || old?.replace != binding.replace {
      slots.fill(match: binding.match, replace: binding.replace)
    }
    state.settle(core)
  }

  // MARK: Fetching

  /// Fetches the commands at CONS.
  ///
  /// - Returns: how many; none if not even the first can be read.
  func fetch(_ ring: QueueRegisters, _ limit: Int) -> Int {
    if commands.count == 1 {
      commands = MaskedTable(log2Count: 8, repeating: Command(dw0: 0, dw1: 0))
    }
    let count = min(limit, VCMDQ.batch, ring.contiguousCount)
    let address = ring.address(of: ring.cons)
    if (try? smmu.memory.readCommands(address, count, into: commands)) != nil { return count }
    // Memory ends somewhere in the ring.
    return (try? smmu.memory.readCommands(address, 1, into: commands)) != nil ? 1 : 0
  }

  // MARK: Ports

  /// Has `ports` contain all ports that there are.
  @inline(__always)
  func updatePorts() {
    if ports.count != smmu.portCount.load(ordering: .sequentiallyConsistent) {
      ports = smmu.knownPorts.map { KeptReference($0) }
    }
  }

  /// Waits until the transactions that are under way have ended.
  @inline(__always)
  func waitForTransactions() {
    updatePorts()
    for port in ports { port.with { $0.gate.waitForPassage() } }
  }
}

extension QueueRegisters {
  /// How many entries there are between CONS and PROD.
  var usedCount: Int { Int((prod &- cons) & ((2 << log2Size) - 1)) }

  /// How many of them lie behind CONS in one piece.
  var contiguousCount: Int {
    min(usedCount, Int((1 << log2Size) - cons & ((1 << log2Size) - 1)))
  }
}
