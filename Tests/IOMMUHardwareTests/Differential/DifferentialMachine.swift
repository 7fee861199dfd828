// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

/// A machine on a world's tables, with an event queue.
struct DifferentialMachine {
  let smmu: SMMUv3
  private let memory: PhysicalMemory
  private let queue: UInt64
  private static let log2Size: UInt64 = 3

  init(_ world: RandomWorld) {
    memory = world.memory
    queue = world.memory.range.lowerBound + RandomWorld.queueOffset
    smmu = SMMUv3(memory: world.memory, features: world.features)
    let registers = world.registers
    write(.cr2, (registers.hasEL2Host ? 1 : 0) | (registers.recordsInvalidStreams ? 2 : 0))
    write(.gbpa, 1 << 31 | (registers.abortsWhileDisabled ? 1 << 20 : 0))
    write(.strtabBase, registers.streamTableBase)
    write(
      .strtabBaseCfg,
      (registers.hasTwoLevels ? 1 << 16 : 0) | UInt64(registers.streamTableSplit) << 6
        | UInt64(registers.streamTableLog2Size))
    write(.eventqBase, queue | DifferentialMachine.log2Size)
    write(.cr0, 4 | (registers.isEnabled ? 1 : 0) | (registers.checksATS ? 16 : 0))
  }

  private func write(_ register: SMMURegister, _ value: UInt64) {
    try? smmu.writeRegister(register.rawValue, value, width: register.width)
  }

  private func read(_ register: SMMURegister) -> UInt64 {
    (try? smmu.readRegister(register.rawValue, width: register.width)) ?? 0
  }

  /// Empties all caches.
  func forgetAll() {
    _ = smmu.execute(.cfgiAll)
    _ = smmu.execute(.tlbiNSNHAll)
    if smmu.features.hyp { _ = smmu.execute(.tlbiEL2All) }
  }

  /// What a port answers, and what the event queue got of it. A stall is ended at once.
  func translate(_ access: DeviceTransaction) -> (TranslationAnswer, records: [[UInt64]]) {
    let answer = smmu.port(access.streamID).translate(access)
    if case .stalled(let stag, _) = answer.outcome {
      _ = smmu.execute(.resume(access.streamID, stag: stag, response: 2))
    }
    return (answer, takeRecords())
  }

  /// What a port answers to a Translation Request, and what the event queue got of it.
  func request(_ access: DeviceTransaction) -> (ATSCompletion, records: [[UInt64]]) {
    let completion = smmu.port(access.streamID).requestTranslation(access)
    return (completion, takeRecords())
  }

  private func takeRecords() -> [[UInt64]] {
    let mask: UInt64 = 1 << (DifferentialMachine.log2Size + 1) - 1
    var records: [[UInt64]] = []
    var cons = read(.eventqCons)
    while (read(.eventqProd) ^ cons) & mask != 0 {
      let place = queue + (cons & mask >> 1) * 32
      records.append((UInt64(0)..<4).map { (try? memory.read64(place + $0 * 8)) ?? 0 })
      cons = (cons + 1) & mask
      write(.eventqCons, cons)
    }
    return records
  }
}
