// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware

/// Changes an entry of eight words that the hardware may read at any moment, so that the hardware
/// never acts on a mixture of the old and the new entry (`arm_smmu_write_entry`).
///
/// The hardware reads each word in one piece, and looks only at those bits of an entry that the
/// entry's own mode uses. So bits that the old entry does not use can be written beforehand. If the
/// used bits then differ in only one word, one write of that word changes from the old entry to the
/// new one. If they differ in several words, the entry is made invalid while it is changed.
struct EntryWriter: Sendable {
  /// The bits that the hardware looks at in an entry with these words.
  let used: @Sendable ([UInt64]) -> [UInt64]
  /// The bits that may change at any time without harm while one entry becomes another.
  var changeable: @Sendable ([UInt64], [UInt64]) -> [UInt64] = { _, _ in
    Array(repeating: 0, count: 8)
  }

  /// The contents that the entry gets one after the other. The hardware has to be told after each
  /// of them, because it may have cached the one before.
  ///
  /// - Returns: the contents of the entry after each step; empty if nothing changes.
  func steps(from current: [UInt64], to target: [UInt64]) -> [[UInt64]] {
    if current == target { return [] }
    let usedNow = used(current)
    let usedThen = used(target)
    let changeable = changeable(current, target)
    // What can be written before the change: the bits that the current entry does not use.
    var prepared = current
    var differing: [Int] = []
    for index in current.indices {
      // A bit that only one of the two entries uses is changed while the entry in memory is the one
      // that does not use it.
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
  /// Writes stream table entries (`arm_smmu_get_ste_used`).
  static let streamTable: EntryWriter = {
    var writer = EntryWriter { words in usedOfStream(words) }
    writer.changeable = { current, target in
      var bits = Array(repeating: UInt64(0), count: 8)
      // MEV only allows the SMMU to merge event records, so it changes no translation.
      bits[1] = 1 << 19
      // Bit 0 of EATS, full ATS, is only changed while the device's ATS is off, so the moment does
      // not matter. But full ATS must not meet a stage 2 that stalls, which is illegal, nor bit 1,
      // split-stage ATS, because the value 3 is reserved. Where that could happen, the bit is
      // treated like any other that is in use.
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
      // These are S1DSS, S1CIR, S1COR, S1CSH, MEV, S1STALLD, EATS and STRW.
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

  /// Writes context descriptors (`arm_smmu_get_cd_used`).
  static let contextTable = EntryWriter { words in
    var used = Array(repeating: UInt64(0), count: 8)
    used[0] = 1 << 31
    guard words[0] & 1 << 31 != 0 else { return used }
    used[0] = .max
    for index in 1...4 { used[index] = .max }
    // With EPD0 the tables of the lower half are not walked, so what describes them is not used.
    if words[0] & 1 << 14 != 0 {
      used[0] &= ~0x3fff
      used[1] = 0
    }
    return used
  }
}
