// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

extension RandomWorld {
  // MARK: Descriptors

  /// An address as a descriptor holds it.
  func field(_ address: UInt64, _ granule: ReferenceGranule) -> UInt64 {
    let low = bits(address, 47, 12) << 12
    return granule == .kib64 ? low & ~0xf000 | bits(address, 51, 48) << 12 : low
  }

  private mutating func tableWord(_ address: UInt64, _ tree: RandomTree) -> UInt64 {
    var word = field(address, tree.granule) | 3
    if !tree.isStage2 {
      // PXNTable, XNTable, APTable.
      for index in UInt64(59)...62 where chance(6) { word |= 1 << index }
    }
    return word
  }

  private mutating func leafWord(_ address: UInt64, _ level: UInt64, _ tree: RandomTree) -> UInt64 {
    var word = field(aligned(address, to: tree.granule.shift(level)), tree.granule)
    word |= level == 3 ? 3 : 1
    if !chance(features.httu > 0 ? 15 : 6) { word |= 1 << 10 }
    if chance(30) { word |= 1 << 51 }
    if chance(10) { word |= 1 << 52 }
    if chance(15) { word |= 1 << 53 }
    if chance(20) { word |= 1 << 54 }
    word |= number(0...3) << 8
    if tree.isStage2 {
      word |= chance(75) ? 3 << 6 : chance(60) ? 1 << 6 : number(0...3) << 6
      word |= chance(92) ? 0xf << 2 : number(0...15) << 2
    } else {
      if chance(75) { word |= 1 << 6 }
      if chance(30) { word |= 1 << 7 }
      if !hasGlobalPages || chance(80) { word |= 1 << 11 }
      word |= number(0...7) << 2
    }
    return word
  }

  // MARK: Trees

  /// A tree with its first table, empty.
  mutating func plant(_ tree: RandomTree) -> RandomTree {
    var tree = tree
    tree.root = allocate(tree.rootBytes)
    return tree
  }

  /// Maps an address; false if something else is in the way.
  @discardableResult
  mutating func map(
    _ address: UInt64, to output: UInt64, _ level: UInt64, in tree: RandomTree
  ) -> Bool {
    var table = tree.root
    for current in tree.start...level {
      let range = tree.range(current)
      let place = table + bits(address, range.high, range.low) * 8
      let word = read(place)
      if current == level {
        if word != 0 { return bits(word, 47, 16) == bits(output, 47, 16) }
        write(leafWord(output, level, tree), at: place)
        return true
      }
      switch word & 3 {
      case 0: table = grow(at: place, tree)
      case 3:
        var next = bits(word, 47, tree.granule.rawValue) << tree.granule.rawValue
        if tree.granule == .kib64 { next |= bits(word, 15, 12) << 48 }
        guard let known = tree.isStage2 ? next : physical[next] else { return false }
        table = known
      default: return false
      }
    }
    return false
  }

  /// Makes a table, and the descriptor that leads to it.
  private mutating func grow(at place: UInt64, _ tree: RandomTree) -> UInt64 {
    let bytes = UInt64(1) << tree.granule.rawValue
    let table = allocate(bytes)
    let address = tree.isStage2 ? table : intermediate(table, bytes)
    physical[address] = table
    write(tableWord(address, tree), at: place)
    return table
  }

  /// Where something in memory appears before stage 2, which gets pages or blocks for it.
  ///
  /// - Parameter bytes: a power of two, to which the address is aligned.
  mutating func intermediate(_ address: UInt64, _ bytes: UInt64) -> UInt64 {
    guard let tree = stage2 else { return address }
    var base: UInt64 = 0
    for _ in 0..<4 {
      let level = chance(60) ? 3 : pick(tree.leafLevels) ?? 3
      let shift = tree.granule.shift(level)
      let size = max(shift, UInt64(bytes.trailingZeroBitCount))
      base = aligned(random.next() >> (64 - tree.inputSize), to: size) + bits(address, size - 1, 0)
      // Nothing is mapped there, or something that does not fit the output's size.
      if chance(2) { return base }
      if chance(1) {
        map(base, to: number(32...51) &* 0x1111_1111_1111, level, in: tree)
        return base
      }
      var isMapped = true
      for offset in stride(from: UInt64(0), to: bytes, by: 1 << shift) {
        isMapped = map(base + offset, to: address + offset, level, in: tree) && isMapped
      }
      if isMapped { break }
    }
    return base
  }

  // MARK: What devices may reach

  /// Maps something in a half of stage 1, and remembers the address.
  mutating func mapStage1(_ tree: RandomTree, isUpper: Bool) {
    let level = chance(60) ? 3 : pick(tree.leafLevels) ?? 3
    let shift = tree.granule.shift(level)
    var address = random.next() >> (64 - tree.inputSize)
    if chance(10) { address = 0 }
    if chance(10) { address = (1 << tree.inputSize) - 1 }
    address = aligned(address, to: shift)
    let output = intermediate(target() & ~0xfff, 4096)
    map(address, to: output, level, in: tree)
    address += bits(output, shift - 1, 0)
    if isUpper { address |= UInt64.max << tree.inputSize }
    addresses.append(address)
  }

  /// Maps something in a stage 2 that is alone.
  mutating func mapStage2() {
    guard let tree = stage2 else { return }
    addresses.append(intermediate(target() & ~0xfff, 4096))
    let level = pick(tree.leafLevels) ?? 3
    let last = aligned((1 << tree.inputSize) - 1, to: tree.granule.shift(level))
    if chance(20) {
      map(last, to: target(), level, in: tree)
      addresses.append(last)
    }
  }
}
