// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

/// Tables in memory, made by hand, and what points to them.
///
/// Intermediate addresses are physical ones with `shift` added, so that a walk which forgets
/// stage 2 reads from where nothing is.
struct World {
  static let shift: UInt64 = 0x10_0000_0000
  /// S1: AF, inner shareable, EL0 may read and write, not global, page.
  static let page1: UInt64 = 1 << 11 | 1 << 10 | 3 << 8 | 1 << 6 | 3
  /// S2: AF, inner shareable, read and write, write-back, page.
  static let page2: UInt64 = 1 << 10 | 3 << 8 | 3 << 6 | 0xf << 2 | 3
  /// Turns a page's descriptor into a block's.
  static let block: UInt64 = ~2

  let memory = PhysicalMemory()
  var features = SMMUv3Features()
  var registers = TranslationRegisters()
  var next: UInt64 = 0x8800_0000
  let streamTable: UInt64 = 0x8000_0000
  let contextTable: UInt64 = 0x8100_0000
  var ste = StreamTableEntry()
  var cd = ContextDescriptor()

  init() {
    registers.isEnabled = true
    registers.recordsInvalidStreams = true
    registers.streamTableBase = streamTable
    registers.streamTableLog2Size = 8
  }

  mutating func allocate(_ bytes: UInt64) -> UInt64 {
    let size = max(bytes, 64)
    let address = (next + size - 1) / size * size
    next = address + size
    return address
  }

  // MARK: Configuration

  /// A stage 1 with one descriptor, 4 KiB granules and 39 bits.
  mutating func useStage1(granule: Granule = .size4K, size: UInt64 = 25) {
    ste.isValid = true
    ste.config = ste.config == .stage2 ? .nested : .stage1
    let isNested = ste.config == .nested
    ste.s1ContextPtr = contextTable + (isNested ? World.shift : 0)
    cd.isValid = true
    cd.aa64 = true
    cd.t0SZ = size
    cd.tg0 = [Granule.size4K: 0, .size64K: 1, .size16K: 2][granule] ?? 3
    cd.epd1 = true
    cd.ips = 5
    cd.r = true
    cd.a = true
    cd.asid = 7
    let half = half
    cd.ttb0 =
      allocate(8 << UInt64(half.inputSize - granule.shift(atLevel: half.startLevel)))
      + (isNested ? World.shift : 0)
  }

  /// A stage 2 with 40-bit input, before `useStage1` if there are to be both.
  mutating func useStage2(granule: Granule = .size4K, size: UInt64 = 24, startLevel: UInt64 = 1) {
    ste.isValid = true
    ste.config = .stage2
    ste.s2VMID = 3
    ste.s2T0SZ = size
    ste.s2SL0 = startLevel
    ste.s2TG = [Granule.size4K: 0, .size64K: 1, .size16K: 2][granule] ?? 3
    ste.s2PS = 5
    ste.s2AA64 = true
    ste.s2PTW = true
    ste.s2R = true
    ste.s2TTB = 0
    if let stage2 = try? Stage2Configuration(ste, features, vmid: 3) {
      ste.s2TTB = allocate(
        8 << UInt64(stage2.inputSize - granule.shift(atLevel: stage2.startLevel)))
    }
    // The tables of stage 1 and the descriptors are seen through stage 2, 2 MiB at a time.
    if granule == .size4K {
      for megabytes in stride(from: UInt64(0), to: 256, by: 2) {
        let address = 0x8000_0000 + megabytes << 20
        map2(address + World.shift, address, level: 2)
      }
    }
  }

  private var half: Stage1Configuration.Half {
    var half = Stage1Configuration.Half()
    half.granule = Granule(tg0: cd.tg0) ?? .size4K
    half.inputSize = 64 - Int(cd.t0SZ)
    return half
  }

  /// Writes the entry and the descriptor where the stream looks for them.
  func install(stream: UInt64 = 0, context: UInt64 = 0) {
    write(ste.words, at: streamTable + stream * 64)
    write(cd.words, at: contextTable + context * 64)
  }

  func write(_ words: [UInt64], at address: UInt64) {
    for (index, word) in words.enumerated() { write(word, at: address + UInt64(index) * 8) }
  }

  func write(_ word: UInt64, at address: UInt64) {
    do { try memory.write64(word, at: address) } catch { fatalError("\(error)") }
  }

  func read(_ address: UInt64) -> UInt64 {
    (try? memory.read64(address)) ?? 0
  }

  // MARK: Tables

  /// Maps in stage 1's lower half; gives the descriptor's physical address.
  @discardableResult
  mutating func map1(
    _ address: UInt64, _ output: UInt64, level: Int = 3, attributes: UInt64 = World.page1,
    tables: UInt64 = 3
  ) -> UInt64 {
    let shift = ste.config == .nested ? World.shift : 0
    let half = half
    return map(
      address, output | (level == 3 ? attributes : attributes & World.block), level: level,
      root: cd.ttb0 - shift, half.inputSize, half.startLevel, half.granule, shift: shift,
      tables: tables)
  }

  /// Maps in stage 2; gives the descriptor's physical address.
  @discardableResult
  mutating func map2(
    _ address: UInt64, _ output: UInt64, level: Int = 3, attributes: UInt64 = World.page2
  ) -> UInt64 {
    guard let stage2 = try? Stage2Configuration(ste, features, vmid: 3) else { return 0 }
    return map(
      address, output | (level == 3 ? attributes : attributes & World.block), level: level,
      root: stage2.base, stage2.inputSize, stage2.startLevel, stage2.granule, shift: 0, tables: 3)
  }

  private mutating func map(
    _ address: UInt64, _ word: UInt64, level: Int, root: UInt64, _ inputSize: Int,
    _ startLevel: Int, _ granule: Granule, shift: UInt64, tables: UInt64
  ) -> UInt64 {
    var table = root
    var bits = inputSize - granule.shift(atLevel: startLevel)
    for current in startLevel...3 {
      let index = address >> UInt64(granule.shift(atLevel: current)) & UInt64.ones(bits)
      let entry = table + index * 8
      bits = granule.stride
      if current == level {
        write(word, at: entry)
        return entry
      }
      if read(entry) & 1 == 0 {
        write(allocate(1 << UInt64(granule.shift)) + shift | tables, at: entry)
      }
      table = (read(entry) & 0x0000_ffff_ffff_f000) - shift
    }
    return 0
  }

  // MARK: Translation

  var uncached: UncachedTranslation {
    UncachedTranslation(memory: memory, features: features, registers: registers)
  }

  /// What becomes of an address, or the record of its fault.
  func result(
    _ address: UInt64, substream: UInt32? = nil, write: Bool = false, privileged: Bool = false,
    instruction: Bool = false, kind: DeviceTransaction.Kind = .untranslated, stream: UInt32 = 0
  ) -> Result<Translation, TranslationFault> {
    let transaction = DeviceTransaction(
      streamID: stream, substreamID: substream, address: address, isWrite: write,
      isPrivileged: privileged, isInstruction: instruction, kind: kind)
    do { return .success(try uncached.translate(transaction)) } catch { return .failure(error) }
  }
}

extension Result<Translation, TranslationFault> {
  var address: UInt64? { (try? get())?.physicalAddress }
  var fault: TranslationFault? {
    if case .failure(let fault) = self { fault } else { nil }
  }
  var id: EventRecord.ID? { fault?.id }
}
