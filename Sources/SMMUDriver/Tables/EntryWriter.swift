// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware

/// Writes an entry of eight words that the hardware may read at any moment, so that it never sees
/// a mixture (`arm_smmu_write_entry`).
///
/// The hardware reads each word as one, and of an entry only the words that the entry's own mode
/// uses. So a change of one used word is made in one write, with the words that nobody looks at
/// yet written before it; a change of several goes through an invalid entry.
struct EntryWriter: Sendable {
  /// The bits of an entry that the hardware looks at.
  let used: @Sendable ([UInt64]) -> [UInt64]
  /// Bits that may change at any time without harm, between an entry and what it becomes.
  var changeable: @Sendable ([UInt64], [UInt64]) -> [UInt64] = { _, _ in
    Array(repeating: 0, count: 8)
  }

  /// The states of the entry, one after the other; after each the hardware is told.
  ///
  /// - Returns: empty when nothing changes.
  func steps(from current: [UInt64], to target: [UInt64]) -> [[UInt64]] {
    if current == target { return [] }
    let usedNow = used(current)
    let usedThen = used(target)
    let changeable = changeable(current, target)
    // What can be written before the switch: bits that the current entry does not use.
    var prepared = current
    var differing: [Int] = []
    for index in current.indices {
      // What only one of the two uses is changed while nobody looks at it.
      let free = ~usedNow[index] | changeable[index] & usedThen[index]
      prepared[index] = current[index] & ~free | target[index] & usedThen[index] & free
      let difference = (prepared[index] ^ target[index]) & usedThen[index]
      if difference != 0 { differing.append(index) }
    }
    switch differing.count {
    case 0: return distinct([target], from: current)
    case 1:
      var switched = prepared
      switched[differing[0]] = target[differing[0]]
      return distinct([prepared, switched, target], from: current)
    default:
      var invalid = current
      invalid[0] = 0
      var filled = target
      filled[0] = 0
      return distinct([invalid, filled, target], from: current)
    }
  }

  private func distinct(_ steps: [[UInt64]], from current: [UInt64]) -> [[UInt64]] {
    var last = current
    return steps.filter { step in
      defer { last = step }
      return step != last
    }
  }
}

extension EntryWriter {
  /// For stream table entries (`arm_smmu_get_ste_used`).
  static let streamTable: EntryWriter = {
    var writer = EntryWriter { words in usedOfStream(words) }
    writer.changeable = { current, target in
      var bits = Array(repeating: UInt64(0), count: 8)
      // MEV says only that records may be merged.
      bits[1] = 1 << 19
      // EATS bit 0 changes while the device's ATS is off; but a stage 2 that stalls, or ATS of
      // stage 1 alone, may not meet full ATS.
      let hasSplit = (current[1] | target[1]) & 2 << 28 != 0
      let stalls = (current[2] | target[2]) & 1 << 57 != 0
      if !hasSplit, !stalls { bits[1] |= 1 << 28 }
      return bits
    }
    return writer
  }()

  private static func usedOfStream(_ words: [UInt64]) -> [UInt64] {
    var used = Array(repeating: UInt64(0), count: 8)
    used[0] = 1
    guard words[0] & 1 != 0 else { return used }
    let config = (words[0] >> 1) & 7
    used[0] |= 0xe
    if config & 4 == 0 { return used }
    let shCFG: UInt64 = 3 << 44
    if config == 4 { used[1] |= shCFG }
    if config & 1 != 0 {
      used[0] |= 0xf80f_ffff_ffff_fff0
      // S1DSS, S1CIR, S1COR, S1CSH, MEV, S1STALLD, EATS and STRW.
      used[1] |= 0xff | 1 << 19 | 1 << 27 | 3 << 28 | 3 << 30
      used[2] |= 0xffff
      if words[1] & 3 == 1 { used[1] |= shCFG }
    }
    if config & 2 != 0 {
      used[1] |= 1 << 19 | 1 << 25 | 3 << 28 | shCFG
      used[2] = .max
      used[3] = .max
    }
    return used
  }

  /// For context descriptors (`arm_smmu_get_cd_used`).
  static let contextTable = EntryWriter { words in
    var used = Array(repeating: UInt64(0), count: 8)
    used[0] = 1 << 31
    guard words[0] & 1 << 31 != 0 else { return used }
    used[0] = .max
    for index in 1...4 { used[index] = .max }
    // With EPD0 nobody walks the lower half's tables.
    if words[0] & 1 << 14 != 0 {
      used[0] &= ~0x3fff
      used[1] = 0
    }
    return used
  }
}
