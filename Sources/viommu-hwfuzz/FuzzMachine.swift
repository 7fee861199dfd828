// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware

/// A working SMMU whose tables take up a few pages, which a fuzzer then spoils.
///
/// Stream 0 goes through stage 1, stream 1 through stage 2, stream 2 through both, and stream 3
/// through both with substreams.
struct FuzzMachine {
  static let base = PhysicalMemoryMap.base
  static let streamTable = base
  static let contexts = base + 0x1000
  static let commandQueue = base + 0x2000
  static let eventQueue = base + 0x3000
  static let priQueue = base + 0x4000
  /// The tables of each stage, of which each of the four levels has one page.
  static let stage1 = base + 0x10000
  static let stage2 = base + 0x14000
  static let data = base + 0x20000
  /// The pages that the SMMU reads tables and commands from or writes records to.
  static let pages =
    [streamTable, contexts, commandQueue, eventQueue, priQueue, rings, rings + 0x1000]
    + (0..<8).map { stage1 + $0 << 12 }
  static let queueLog2Size: UInt64 = 5

  /// The rings of the two guests' queues, with a page for each.
  static let rings = base + 0x8000
  static let ringLog2Size: UInt64 = 8

  let memory: PhysicalMemory
  let smmu: SMMUv3
  let cmdqv: Tegra241CMDQV

  /// Makes a machine and brings it up.
  ///
  /// - Parameter variant: each bit chooses a feature or a behaviour of the SMMU and its CMDQV.
  init(variant: UInt8) {
    memory = PhysicalMemory(size: 1 << 30, residentLimit: 16 << 20)
    var features = SMMUv3Features()
    features.ril = variant & 1 == 0
    features.httu = variant & 2 == 0 ? 2 : 0
    features.fwb = variant & 4 == 0
    features.oas = variant & 8 == 0 ? 48 : 52
    features.asid16 = variant & 16 == 0
    features.ds = variant & 32 != 0
    var behaviour = SMMUv3Behaviour()
    behaviour.dropsWholeBlocks = variant & 64 != 0
    behaviour.fullEventQueue = variant & 128 == 0 ? .setsOverflowFlag : .reportsAbort
    smmu = SMMUv3(memory: memory, features: features, behaviour: behaviour)
    var guests = Tegra241CMDQV.Behaviour()
    guests.allowsHypOwn = variant & 4 == 0
    guests.guestSignals = variant & 8 == 0 ? .areIllegal : .areIgnored
    cmdqv = Tegra241CMDQV(
      smmu: smmu, size: .init(vintfs: 4, vcmdqs: 8, sidsPerVINTF: 4), behaviour: guests, sink: nil)
    makeTables()
    bringUp()
    bringUpQueues()
  }

  func write(queues offset: UInt32, _ value: UInt64, width: Int = 4) {
    try? cmdqv.writeRegister(offset, value, width: width)
  }

  /// Brings up the CMDQV with a queue for each of two guests, who know streams 0 to 3 as 16 to 19.
  func bringUpQueues() {
    write(queues: 0, 1)
    for guest in UInt32(0)..<2 {
      let vintf = guest + 1
      let interface = 0x1000 + 0x100 * vintf
      write(queues: interface, UInt64(vintf + 1) << 1 | 1)
      for slot in UInt32(0)..<4 {
        write(queues: interface + 0x80 + 4 * slot, UInt64(slot))
        write(queues: interface + 0x40 + 4 * slot, UInt64(slot + 16) << 1 | 1)
      }
      write(queues: 0x200 + 8 * vintf, UInt64(vintf) << 15 | 1)
      let page0 = 0x3_0000 + 0x2_0000 * vintf
      let ring = Self.rings + UInt64(guest) << 12
      write(queues: page0 + 0x1_0000, ring | Self.ringLog2Size, width: 8)
      write(queues: page0 + 8, 1)
    }
  }

  func write(_ word: UInt64, at address: UInt64) { try? memory.write64(word, at: address) }

  func write(_ register: SMMURegister, _ value: UInt64) {
    try? smmu.writeRegister(register.rawValue, value, width: register.width)
  }

  func read(_ register: SMMURegister) -> UInt64 {
    (try? smmu.readRegister(register.rawValue, width: register.width)) ?? 0
  }

  /// Programs the registers of the SMMU and enables its queues and translation.
  func bringUp() {
    write(.cr0, 0)
    write(.cr2, 6)
    write(.strtabBase, Self.streamTable)
    write(.strtabBaseCfg, 6)
    write(.cmdqBase, Self.commandQueue | Self.queueLog2Size)
    write(.eventqBase, Self.eventQueue | Self.queueLog2Size)
    write(.priqBase, Self.priQueue | Self.queueLog2Size)
    write(.cmdqProd, 0)
    write(.cmdqCons, 0)
    write(.irqCtrl, 7)
    write(.cr0, 0x1f)
  }

  /// Writes a command behind the last one in the command queue, and moves PROD so that the SMMU
  /// executes it.
  func post(_ command: Command) {
    let prod = read(.cmdqProd)
    let slot = Self.commandQueue + (prod & (1 << Self.queueLog2Size - 1)) * Command.byteCount
    write(command.dw0, at: slot)
    write(command.dw1, at: slot + 8)
    write(.cmdqProd, (prod + 1) & (2 << Self.queueLog2Size - 1))
  }

  /// Writes the stream table, the context descriptors and the tables of both stages.
  func makeTables() {
    for stream in UInt64(0)..<4 {
      write(entry(of: stream).words, at: Self.streamTable + stream * 64)
      write(Self.context.words, at: Self.contexts + stream * 64)
    }
    for level in UInt64(0)..<3 {
      for root in [Self.stage1, Self.stage2] {
        write(root + (level + 1) << 12 | 3, at: root + level << 12)
      }
    }
    // With both stages, the tables of stage 1 and the memory that they lead to are reached through
    // stage 2, which therefore has to map all of these pages.
    for page in UInt64(0)..<64 {
      write(Self.data + page << 12 | 0x745 | 3, at: Self.stage1 + 0x3000 + page * 8)
      write(Self.base + page << 12 | 0x7fd | 3, at: Self.stage2 + 0x3000 + page * 8)
    }
    // The pages lie at 2 GiB, for which bits 38 to 30 select entry 2 of the level-1 table.
    write(Self.stage2 + 0x2000 | 3, at: Self.stage2 + 0x1000 + 16)
  }

  private func write(_ words: [UInt64], at address: UInt64) {
    for (index, word) in words.enumerated() { write(word, at: address + UInt64(index) * 8) }
  }

  private static var context: ContextDescriptor {
    var context = ContextDescriptor()
    context.isValid = true
    context.t0SZ = 16
    context.epd1 = true
    context.ips = 5
    context.aa64 = true
    context.r = true
    context.a = true
    context.asid = 1
    context.ttb0 = stage1
    return context
  }

  private func entry(of stream: UInt64) -> StreamTableEntry {
    var entry = StreamTableEntry()
    entry.isValid = true
    entry.config = [.stage1, .stage2, .nested, .nested][Int(stream)]
    if stream != 1 {
      entry.s1ContextPtr = Self.contexts
      entry.s1DSS = 2
      entry.s1CDMax = stream == 3 ? 2 : 0
      entry.eats = stream == 2 ? 1 : 0
    }
    if stream != 0 {
      entry.s2VMID = stream
      entry.s2T0SZ = 16
      entry.s2SL0 = 2
      entry.s2PS = 5
      entry.s2AA64 = true
      entry.s2R = true
      entry.s2TTB = Self.stage2
    }
    return entry
  }
}
