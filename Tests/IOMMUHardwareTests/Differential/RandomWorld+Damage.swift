// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

extension RandomWorld {
  /// Makes something of it wrong, in one world of two.
  mutating func damage() {
    switch random.next() % 20 {
    case 0..<9: break
    case 9..<17: for _ in 0..<number(1...3) { damageWord() }
    case 17: damageFeatures()
    default: spoil()
    }
  }

  /// Whether the tables are no longer what they were built to be.
  var isDamaged: Bool { !history.isEmpty }

  private mutating func replace(_ word: UInt64, at place: UInt64) {
    history.append("[\(hex(place))] \(hex(read(place))) -> \(hex(word))")
    try? memory.write64(word, at: place)
  }

  /// Another value for one word of the tables.
  private mutating func damageWord() {
    guard let place = pick(chance(40) ? configuration : written) else { return }
    let word = read(place)
    switch random.next() % 8 {
    case 0: replace(random.next(), at: place)
    case 1: replace(0, at: place)
    case 2: replace(word ^ 1 << number(0...11), at: place)
    case 3: replace(word ^ 1 << number(48...63), at: place)
    case 4: replace(word & 0xfff | (pick(written) ?? 0) & ~0xfff, at: place)
    default: replace(word ^ 1 << number(0...63), at: place)
    }
  }

  private mutating func damageFeatures() {
    history.append("features")
    switch random.next() % 6 {
    case 0: features.oas = pick(SMMUv3Features.outputSizes) ?? 48
    case 1: features.httu = 0
    case 2: features.stallModel = Int(number(0...2))
    case 3: features.gran4k.toggle()
    case 4: features.sidSize = Int(number(0...32))
    default: features.ssidSize = Int(number(0...20))
    }
  }

  /// An entry that differs from another in some bits.
  mutating func damaged(_ entry: ReferenceSTE) -> ReferenceSTE {
    var entry = entry
    for _ in 0..<number(1...3) { entry.words[Int(number(0...3))] ^= 1 << number(0...63) }
    return entry
  }

  /// Words without sense all over the tables, though their addresses mostly lead somewhere.
  private mutating func spoil() {
    history.append("spoiled")
    let tables = written
    for place in tables where chance(50) {
      var word = random.next()
      if chance(80) {
        word = word & 0xffff_0000_0000_0fff | (pick(tables) ?? 0) & ~0xfff
      }
      if chance(80) { word |= 1 }
      if chance(60) { word |= 3 | 1 << 10 }
      try? memory.write64(word, at: place)
    }
    // The entry stays one that leads into them.
    for (index, place) in configuration.suffix(4).enumerated() where chance(80) {
      try? memory.write64(entry.words[index], at: place)
    }
  }
}

/// A number as its digits in base 16.
func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
