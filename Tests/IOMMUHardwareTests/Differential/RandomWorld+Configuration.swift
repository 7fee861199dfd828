// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

extension RandomWorld {
  mutating func chooseFeatures() {
    features.s1p = !chance(2)
    features.s2p = !chance(2)
    features.httu = Int(number(0...3)) & 1 == 0 ? 2 : Int(number(0...2))
    features.hyp = chance(30)
    features.ats = !chance(15)
    features.asid16 = !chance(10)
    features.vmid16 = !chance(10)
    features.stallModel = chance(75) ? 0 : Int(number(1...2))
    features.sidSize = chance(80) ? 16 : Int(number(0...32))
    features.ssidSize = chance(80) ? 20 : Int(number(0...20))
    features.had = chance(50)
    features.fwb = chance(70)
    features.gran4k = !chance(4)
    features.gran16k = !chance(4)
    features.gran64k = !chance(4)
    features.ds = chance(10)
  }

  mutating func chooseRegisters() {
    registers.isEnabled = !chance(2)
    registers.checksATS = features.ats && chance(50)
    registers.hasEL2Host = features.hyp && chance(50)
    registers.recordsInvalidStreams = chance(70)
    registers.abortsWhileDisabled = chance(50)
    registers.hasTwoLevels = chance(40)
    registers.streamTableLog2Size = Int(chance(90) ? number(0...12) : number(0...20))
    registers.streamTableSplit = [6, 8, 10, Int(number(0...31))][Int(number(0...3))]
    // More streams than the machine has, in a table that is aligned all the same.
    if chance(5) { features.sidSize = Int(number(0...UInt64(registers.streamTableLog2Size))) }
  }

  /// What the register keeps of an address.
  private func register(_ address: UInt64) -> UInt64 { bits(address, 51, 6) << 6 }

  /// Bits of the table's address that its alignment hides.
  private mutating func hideBits(_ log2Bytes: UInt64) {
    if chance(10) { registers.streamTableBase |= random.next() & ((1 << log2Bytes) - 1) & ~63 }
  }

  /// Puts the stream's entry where the registers lead to.
  private mutating func installEntry() {
    let log2Size = UInt64(registers.streamTableLog2Size)
    let log2Streams = min(log2Size, UInt64(features.sidSize))
    stream = UInt32(random.next() % (1 << log2Streams))
    if !registers.hasTwoLevels {
      registers.streamTableBase = register(allocate(64 << log2Size))
      write(entry.words, at: registers.streamTableBase + UInt64(stream) * 64)
      return hideBits(6 + log2Size)
    }
    let reserved = registers.streamTableSplit
    let split = reserved == 8 || reserved == 10 ? UInt64(reserved) : 6
    let log2First = log2Size > split ? log2Size - split : 0
    registers.streamTableBase = register(allocate(8 << log2First))
    let index = UInt64(stream) & ((1 << split) - 1)
    let least = UInt64(64 - index.leadingZeroBitCount) + 1
    let span = chance(90) ? number(least...split + 1) : number(0...31)
    let table = allocate(64 << split)
    write(table | span, at: registers.streamTableBase + (UInt64(stream) >> split) * 8)
    write(entry.words, at: table + index * 64)
    hideBits(max(6, 3 + log2First))
  }

  // MARK: The entry

  mutating func chooseEntry() {
    var config = pick([5, 5, 5, 6, 6, 7, 7, 7, 7, 7, 7] as [UInt64]) ?? 7
    if chance(2) { config = number(0...7) }
    entry.words[0] = 1 | config << 1
    if entry.hasStage2 { chooseStage2() }
    entry.words[2] |= features.vmid16 ? number(0...0xffff) : number(0...0xff)
    if features.hyp, chance(50) { entry.words[1] |= 2 << 30 }
    let mayWait = entry.hasStage2 && entry.s2Stalls
    let legal: [UInt64] = mayWait ? [0, 3] : config == 7 ? [0, 1, 1, 2, 3] : [0, 1, 1, 3]
    entry.words[1] |= (pick(legal) ?? 0) << 28
    if entry.hasStage1 { chooseContexts() } else { substreams = [nil] }
    if config == 6 {
      for _ in 0..<number(1...8) { mapStage2() }
    } else if config == 4 {
      addresses.append(target())
    }
    installEntry()
  }

  private mutating func granule() -> ReferenceGranule {
    let all: [(ReferenceGranule, Bool)] = [
      (.kib4, features.gran4k), (.kib16, features.gran16k), (.kib64, features.gran64k),
    ]
    return pick(all.filter(\.1).map(\.0)) ?? .kib4
  }

  /// The code of a size that memory fits in.
  private mutating func sizeCode() -> UInt64 {
    let sizes: [UInt64] = [32, 36, 40, 42, 44, 48, 52, 52]
    let last = memory.range.upperBound - 1
    let least = sizes.firstIndex { fits(last, $0) } ?? 5
    return chance(95) ? number(UInt64(least)...7) : number(0...7)
  }

  private mutating func chooseStage2() {
    let granule = granule()
    let least = max(16, 64 - UInt64(features.oas))
    // Those that have a start level which resolves something in at most 16 tables.
    var choices: [(size: UInt64, start: UInt64, code: UInt64)] = []
    for size in least...39 {
      for code in UInt64(0)...2 {
        let start = granule == .kib4 ? 2 - code : 3 - code
        let inputSize = 64 - size
        guard inputSize > granule.shift(start) else { continue }
        if inputSize - granule.shift(start) <= granule.stride + 4 {
          choices.append((size, start, code))
        }
      }
    }
    guard let choice = pick(choices) else { return }
    let tree = plant(
      RandomTree(
        granule: granule, inputSize: 64 - choice.size, start: choice.start, isStage2: true))
    stage2 = tree
    var word = choice.size << 32 | choice.code << 38 | sizeCode() << 48 | 1 << 51
    word |= granule == .kib4 ? 0 : granule == .kib64 ? 1 << 46 : 2 << 46
    if chance(10) { word |= 1 << 53 }
    if chance(50) { word |= 1 << 54 }
    if features.httu >= 1, chance(60) { word |= 1 << 56 }
    if features.httu >= 2, chance(40) { word |= 1 << 55 }
    if features.stallModel == 2 || features.stallModel == 0 && chance(15) { word |= 1 << 57 }
    if chance(75) { word |= 1 << 58 }
    entry.words[2] |= word
    entry.words[3] = tree.root
    if features.fwb, chance(40) { entry.words[1] |= 1 << 25 }
  }

  // MARK: Context descriptors

  private mutating func chooseContexts() {
    entry.words[1] |= pick([0, 1, 2, 2, 2, 3] as [UInt64]) ?? 0
    if features.stallModel == 0, chance(10) { entry.words[1] |= 1 << 27 }
    let greatest = UInt64(features.ssidSize)
    let log2Count = chance(50) ? 0 : min(greatest, number(1...(chance(90) ? 8 : 20)))
    let format = pick([0, 0, 1, 2, 3] as [UInt64]) ?? 0
    entry.words[0] |= log2Count << 59 | format << 4
    var indices: [UInt64] = [0]
    for _ in 0..<number(0...2) where log2Count > 0 {
      indices.append(random.next() % (1 << log2Count))
    }
    substreams = [nil]
    if log2Count > 0 { substreams += indices.map { UInt32($0) } }
    let split: UInt64? = log2Count == 0 ? nil : format == 1 ? 6 : format == 2 ? 10 : nil
    let isLarge = split == nil && log2Count > 8
    // Of a large table only the page with a descriptor is seen through stage 2.
    if isLarge, stage2 != nil { indices = [0] }
    let bytes =
      split.map { 8 << max(3, log2Count > $0 ? log2Count - $0 : 0) } ?? UInt64(64) << log2Count
    let table = allocate(bytes)
    let address = intermediate(table, isLarge ? 4096 : bytes)
    entry.words[0] |= address
    configuration.append(table)
    var asid: UInt64 = 0
    for index in Set(indices).sorted() {
      asid += 1
      let words = contextDescriptor(asid)
      guard let split else {
        write(words, at: table + index * 64)
        continue
      }
      installContext(words, index, split, table)
    }
  }

  private mutating func installContext(
    _ words: [UInt64], _ index: UInt64, _ split: UInt64, _ table: UInt64
  ) {
    let place = table + (index >> split) * 8
    let known = read(place)
    var second = known == 0 ? nil : physical[known & ~0xfff]
    if second == nil {
      let bytes = UInt64(64) << split
      let new = allocate(bytes)
      let address = intermediate(new, bytes)
      physical[address] = new
      write(address | (chance(98) ? 1 : 0), at: place)
      second = new
    }
    write(words, at: (second ?? 0) + bits(index, split - 1, 0) * 64)
  }

  /// A descriptor with tables. Its ASID is its own, so that caches may know them apart.
  private mutating func contextDescriptor(_ asid: UInt64) -> [UInt64] {
    var word = UInt64(1) << 31 | 1 << 41 | sizeCode() << 32 | asid << 48
    let isAlone = features.hyp && entry.strw == 2 && !registers.hasEL2Host && entry.config == 5
    if chance(15) { word |= 1 << 14 }
    if chance(40) { word |= 1 << 30 }
    if chance(8) { word |= 1 << 35 }
    if chance(15) { word |= 1 << 36 }
    if chance(15) { word |= 1 << 37 }
    word |= number(0...3) << 38
    if chance(15) { word |= 1 << 40 }
    if features.httu >= 2, chance(40) { word |= 1 << 42 }
    if features.httu >= 1, chance(60) { word |= 1 << 43 }
    let mayStall = features.stallModel == 0 && !entry.s1StallDisabled
    if features.stallModel == 2 || mayStall && chance(15) { word |= 1 << 44 }
    if chance(75) { word |= 1 << 45 }
    if chance(70) { word |= 1 << 46 }
    var context = ReferenceCD(words: [word, 0, 0, 0])
    if isAlone || !context.epd0 {
      plantHalf(&context, isUpper: false)
    }
    if !isAlone && !context.epd1 {
      plantHalf(&context, isUpper: true)
    }
    return context.words
  }

  private mutating func plantHalf(_ context: inout ReferenceCD, isUpper: Bool) {
    let granule = granule()
    let size = number(16...39)
    let inputSize = 64 - size
    let start = 4 - (inputSize - 4) / granule.stride
    var tree = RandomTree(granule: granule, inputSize: inputSize, start: start, isStage2: false)
    tree = plant(tree)
    let address = intermediate(tree.root, max(tree.rootBytes, 64))
    let had: UInt64 = chance(20) ? 2 : 0
    if isUpper {
      let code: UInt64 = granule == .kib16 ? 1 : granule == .kib4 ? 2 : 3
      context.words[0] |= size << 16 | code << 22
      context.words[2] = address | had
    } else {
      let code: UInt64 = granule == .kib4 ? 0 : granule == .kib64 ? 1 : 2
      context.words[0] |= size | code << 6
      context.words[1] = address | had
    }
    for _ in 0..<number(2...6) { mapStage1(tree, isUpper: isUpper) }
    let edge = UInt64(1) << inputSize
    if chance(50) { addresses += isUpper ? [0 &- edge, 0 &- edge &- 1] : [edge - 1, edge] }
  }
}
