// SPDX-License-Identifier: Apache-2.0
import SeededRandom
@testable import IOMMUHardware

/// A machine's features, registers and tables, all from one number. Most of it makes sense, so
/// that walks get far; some of it is damaged afterwards.
struct RandomWorld {
  /// Bytes of memory. What lies outside does not exist.
  static let memorySize: UInt64 = 1 << 30
  static let queueOffset: UInt64 = 0x2a5a_0000

  let seed: UInt64
  var random: SplitMix64
  let memory: PhysicalMemory
  var features = SMMUv3Features()
  var registers = TranslationRegisters()
  var stream: UInt32 = 0
  var entry = ReferenceSTE(words: [0, 0, 0, 0])
  /// What the tables of stage 2 look like, if there is a stage 2.
  var stage2: RandomTree?
  /// The substreams that have a descriptor; nil for transactions without one.
  var substreams: [UInt32?] = []
  /// Addresses at which something is mapped, or begins, or ends.
  var addresses: [UInt64] = []
  /// Where the words of tables are in memory, and those of the entry and of descriptors.
  var written: [UInt64] = []
  var configuration: [UInt64] = []
  /// Whether pages may be of all address spaces.
  var hasGlobalPages = false
  /// Where a table is in memory whose address, for those who walk, is an intermediate one.
  var physical: [UInt64: UInt64] = [:]
  /// What was done to it, for whoever looks for a difference.
  var history: [String] = []
  private var next: UInt64
  private var top: UInt64

  init(seed: UInt64) {
    self.seed = seed
    var random = SplitMix64(seed: seed)
    let oas = [48, 48, 48, 44, 40, 42, 36, 32, 52].randomElement(using: &random) ?? 48
    features.oas = oas
    let end = UInt64(1) << UInt64(oas)
    let bases = [0x8000_0000, 0x8000_0000, 0, end / 2, end - RandomWorld.memorySize]
    let base = bases.randomElement(using: &random) ?? 0
    memory = PhysicalMemory(base: base, size: RandomWorld.memorySize)
    next = base + 0x10_0000
    top = base + RandomWorld.memorySize
    self.random = random
    hasGlobalPages = chance(50)
    chooseFeatures()
    chooseRegisters()
    chooseEntry()
    damage()
  }

  // MARK: Chance

  mutating func chance(_ percent: UInt64) -> Bool { random.next() % 100 < percent }

  mutating func number(_ range: ClosedRange<UInt64>) -> UInt64 {
    UInt64.random(in: range, using: &random)
  }

  mutating func pick<Element>(_ elements: [Element]) -> Element? {
    elements.randomElement(using: &random)
  }

  // MARK: Memory

  /// Room for a table, aligned to its size: mostly one behind the other, sometimes at the very
  /// end of memory, rarely where there is none.
  mutating func allocate(_ bytes: UInt64) -> UInt64 {
    let size = max(bytes, 64)
    switch random.next() % 300 {
    case 0: return memory.range.upperBound / size * size
    case 1: return (memory.range.lowerBound &- size) / size * size & 0xf_ffff_ffff_f000
    case 2...20:
      top = (top - size) / size * size
      return top
    default:
      let address = (next + size - 1) / size * size
      next = address + size
      return address
    }
  }

  func read(_ address: UInt64) -> UInt64 { (try? memory.read64(address)) ?? 0 }

  mutating func write(_ word: UInt64, at address: UInt64) {
    if (try? memory.write64(word, at: address)) != nil { written.append(address) }
  }

  /// Writes the entry, or a descriptor of a context.
  mutating func write(_ words: [UInt64], at address: UInt64) {
    for (index, word) in words.enumerated() {
      write(word, at: address + UInt64(index) * 8)
      configuration.append(address + UInt64(index) * 8)
    }
  }

  /// An address of memory, or sometimes another one of the machine's width.
  mutating func target() -> UInt64 {
    if chance(8) { return random.next() % (1 << UInt64(features.oas)) }
    return memory.range.lowerBound + random.next() % RandomWorld.memorySize
  }
}

/// The shape of a tree of translation tables.
struct RandomTree {
  var granule: ReferenceGranule
  var inputSize: UInt64
  var start: UInt64
  /// Where the first table is in memory.
  var root: UInt64 = 0
  var isStage2: Bool

  var rootBytes: UInt64 { 8 << (inputSize - granule.shift(start)) }

  /// The levels at which something can be mapped.
  var leafLevels: [UInt64] {
    (start...3).filter { $0 == 3 || granule.hasBlocks($0) && granule.shift($0) <= inputSize }
  }

  /// The bits that a level resolves, highest and lowest.
  func range(_ level: UInt64) -> (high: UInt64, low: UInt64) {
    let low = granule.shift(level)
    return (level == start ? inputSize - 1 : low + granule.stride - 1, low)
  }
}
