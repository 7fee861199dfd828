// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Locking

/// An SMMU with two streams that reach the same pages. Stream 0 goes through one stage of four
/// levels, and stream 1 through two such stages.
final class TranslationMachine: Sendable {
  private static let base = PhysicalMemoryMap.base
  private static let streamTable = base
  private static let contexts = base + 0x1_0000
  private static let commandQueue = base + 0x2_0000
  private static let stage1 = base + 0x10_0000
  private static let stage2 = base + 0x1000_0000
  private static let data = base + 0x2000_0000
  private static let commandLog2: UInt64 = 8

  private let memory: PhysicalMemory
  private let smmu: SMMUv3
  /// For each page, the addresses that a walk of stage 1 reads, level by level.
  private let reads: [[UInt64]]
  private let prod = Locked<UInt32>(0)

  init(pages: Int) throws {
    let memory = PhysicalMemory(size: 1 << 32)
    self.memory = memory
    smmu = SMMUv3(memory: memory)
    var tables = BenchTables(memory)
    let root1 = try tables.make(at: Self.stage1, attributes: 0x745)
    let root2 = try tables.make(at: Self.stage2, attributes: 0x7fd)
    for page in 0..<pages {
      let offset = UInt64(page) << 12
      try tables.map(root1, offset, to: Self.data + offset)
      try tables.map(root2, Self.data + offset, to: Self.data + offset)
    }
    // The context descriptors and the tables of stage 1 are reached through stage 2 as well, and so
    // it has to map them.
    for page in 0..<UInt64(0x20) { try tables.map(root2, Self.base + page << 12) }
    for page in 0..<tables.used(by: root1) { try tables.map(root2, Self.stage1 + page << 12) }
    reads = (0..<pages).map { tables.path(root1, UInt64($0) << 12) }
    try bringUp(root1, root2)
  }

  private func bringUp(_ root1: UInt64, _ root2: UInt64) throws {
    var context = ContextDescriptor()
    context.t0SZ = 16
    context.epd1 = true
    context.isValid = true
    context.ips = 5
    context.aa64 = true
    context.r = true
    context.a = true
    context.asid = 1
    context.ttb0 = root1
    try write(context.words, at: Self.contexts)
    for stream: UInt64 in [0, 1] {
      var entry = StreamTableEntry()
      entry.isValid = true
      entry.config = stream == 0 ? .stage1 : .nested
      entry.s1ContextPtr = Self.contexts
      entry.s1DSS = 2
      entry.s2VMID = stream
      entry.s2T0SZ = 16
      entry.s2SL0 = 2
      entry.s2PS = 5
      entry.s2AA64 = true
      entry.s2R = true
      entry.s2TTB = root2
      if stream == 0 { entry.dw2 = 0; entry.dw3 = 0 }
      try write(entry.words, at: Self.streamTable + stream * 64)
    }
    try set(.strtabBase, Self.streamTable)
    try set(.strtabBaseCfg, 4)
    try set(.cmdqBase, Self.commandQueue | Self.commandLog2)
    try set(.cr0, 8)
    try set(.cr0, 9)
  }

  private func set(_ register: SMMURegister, _ value: UInt64) throws {
    try smmu.writeRegister(register.rawValue, value, width: register.width)
  }

  private func write(_ words: [UInt64], at address: UInt64) throws {
    for (index, word) in words.enumerated() {
      try memory.write64(word, at: address + UInt64(index) * 8)
    }
  }

  // MARK: Translating

  /// Translates `count` addresses, which go round the first `pages` pages.
  ///
  /// - Returns: the time for one translation, in nanoseconds.
  func translate(_ stream: UInt32, _ pages: Int, _ count: Int) -> Double {
    let port = smmu.port(stream)
    var failures = 0
    let start = Clock.now()
    var page = 0
    for _ in 0..<count {
      let answer = port.translate(
        DeviceTransaction(streamID: stream, address: UInt64(page) << 12))
      if answer.fault != nil { failures += 1 }
      page += 1
      if page == pages { page = 0 }
    }
    let time = Double(Clock.now() - start)
    precondition(failures == 0, "a translation of the measurement failed")
    return time / Double(count)
  }

  /// Empties the caches of the SMMU.
  func forgetAll() {
    _ = smmu.execute(.cfgiAll)
    _ = smmu.execute(.tlbiNSNHAll)
  }

  /// Translates `count` addresses for each stream, each stream on a thread of its own.
  ///
  /// - Returns: the time until all threads are done, in nanoseconds.
  func parallel(_ streams: [UInt32], _ count: Int) -> Double {
    for stream in streams { _ = translate(stream, 64, 64) }
    let start = Clock.now()
    Threads.run(streams.count) { index in
      _ = self.translate(streams[index], 64, count)
    }
    return Double(Clock.now() - start)
  }

  // MARK: What it is held against

  /// Reads words of which each gives the address of the next, so that no two reads overlap.
  ///
  /// - Returns: the time for one read, in nanoseconds.
  func dependentReads(_ count: Int) -> Double {
    let start = Clock.now()
    var address = Self.stage1
    for _ in 0..<count {
      let value = (try? memory.read64(address)) ?? 0
      address = Self.stage1 + (value & 8)
    }
    let time = Double(Clock.now() - start)
    precondition(address >= Self.stage1)
    return time / Double(count)
  }

  /// Copies words of 8 bytes.
  ///
  /// - Returns: the time for one word, in nanoseconds.
  func copies(_ count: Int) -> Double {
    let start = Clock.now()
    for index in 0..<count {
      let offset = UInt64(index & 511) * 8
      try? memory.write64((try? memory.read64(Self.data + offset)) ?? 0, at: Self.data + offset)
    }
    return Double(Clock.now() - start) / Double(count)
  }

  /// Makes the reads of a walk one after the other, without what the SMMU does with their results.
  ///
  /// - Returns: the time for all reads of one walk, in nanoseconds.
  func sameReads(_ stream: UInt32, _ pages: Int) -> Double {
    // With two stages, the address of each table of the first, and that of the page, are translated
    // by four reads of the second.
    let repeats = stream == 0 ? 1 : 5
    var sum: UInt64 = 0
    let start = Clock.now()
    for page in 0..<pages {
      for address in reads[page] {
        for _ in 0..<repeats { sum = ((try? memory.read64(address | sum & 0)) ?? 0) & 0xff }
      }
      if repeats > 1 { for address in reads[page] { sum &+= (try? memory.read64(address)) ?? 0 } }
    }
    let time = Double(Clock.now() - start)
    precondition(sum != 1)
    return time / Double(pages)
  }

  // MARK: Commands

  /// Posts commands to the command queue as a driver does: it writes as many as fit, and then moves
  /// PROD.
  ///
  /// - Returns: the time for one command, in nanoseconds.
  func commands(_ count: Int) -> Double {
    let entries = UInt32(1) << UInt32(Self.commandLog2)
    let list = entries - 1
    let command = Command.tlbiNHVA(vmid: 7, asid: 9, address: 0x1000)
    let start = Clock.now()
    var done = 0
    var next = prod.withLock { $0 }
    while done < count {
      for _ in 0..<list {
        let slot = Self.commandQueue + UInt64(next & (entries - 1)) * 16
        try? memory.write64(command.dw0, at: slot)
        try? memory.write64(command.dw1, at: slot + 8)
        next = (next + 1) & (2 * entries - 1)
      }
      try? smmu.writeRegister(SMMURegister.cmdqProd.rawValue, UInt64(next))
      done += Int(list)
    }
    prod.withLock { $0 = next }
    return Double(Clock.now() - start) / Double(done)
  }

  /// Copies the bytes of commands.
  ///
  /// - Returns: the time for the 16 bytes of one command, in nanoseconds.
  func commandCopies(_ count: Int) -> Double {
    let bytes = Array(repeating: UInt8(0x5a), count: 4096)
    let start = Clock.now()
    for _ in 0..<count / 256 { try? memory.write(bytes, at: Self.data) }
    return Double(Clock.now() - start) / Double(count)
  }
}

/// Makes page tables in memory, of four levels and with a granule of 4 KiB.
struct BenchTables {
  private let memory: PhysicalMemory
  private var next: [UInt64: UInt64] = [:]
  private var attributes: [UInt64: UInt64] = [:]

  init(_ memory: PhysicalMemory) { self.memory = memory }

  /// Begins a table tree, whose further tables follow its root in memory.
  ///
  /// - Parameter attributes: the attribute bits of all its page descriptors.
  mutating func make(at root: UInt64, attributes: UInt64) throws -> UInt64 {
    next[root] = root + 4096
    self.attributes[root] = attributes
    try memory.write64(0, at: root)
    return root
  }

  /// How many pages the tables of a tree take up, its root included.
  func used(by root: UInt64) -> UInt64 { ((next[root] ?? root) - root) >> 12 }

  /// Maps a page, by default to its own address.
  mutating func map(_ root: UInt64, _ address: UInt64, to physical: UInt64? = nil) throws {
    var table = root
    for level in 0..<3 {
      let slot = BenchTables.slot(table, address, level)
      let entry = try memory.read64(slot)
      if entry & 1 != 0 {
        table = entry & 0x0000_ffff_ffff_f000
      } else {
        let fresh = next[root] ?? root
        next[root] = fresh + 4096
        try memory.write64(fresh | 3, at: slot)
        table = fresh
      }
    }
    let entry = (physical ?? address) | (attributes[root] ?? 0) | 3
    try memory.write64(entry, at: BenchTables.slot(table, address, 3))
  }

  /// The addresses of the four descriptors that a walk for an address reads.
  func path(_ root: UInt64, _ address: UInt64) -> [UInt64] {
    var table = root
    return (0..<4).map { level in
      let slot = BenchTables.slot(table, address, level)
      table = ((try? memory.read64(slot)) ?? 0) & 0x0000_ffff_ffff_f000
      return slot
    }
  }

  private static func slot(_ table: UInt64, _ address: UInt64, _ level: Int) -> UInt64 {
    table + (address >> UInt64(39 - 9 * level) & 511) * 8
  }
}
