// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

/// The first four words of a stream table entry.
struct ReferenceSTE {
  var words: [UInt64]

  var isValid: Bool { bit(words[0], 0) }
  var config: UInt64 { bits(words[0], 3, 1) }
  var hasStage1: Bool { config == 5 || config == 7 }
  var hasStage2: Bool { config == 6 || config == 7 }
  var s1Format: UInt64 { bits(words[0], 5, 4) }
  var s1ContextPointer: UInt64 { bits(words[0], 51, 6) << 6 }
  var s1CDMax: UInt64 { bits(words[0], 63, 59) }
  var s1DSS: UInt64 { bits(words[1], 1, 0) }
  var s1StallDisabled: Bool { bit(words[1], 27) }
  var eats: UInt64 { bits(words[1], 29, 28) }
  var strw: UInt64 { bits(words[1], 31, 30) }
  var s2FWB: Bool { bit(words[1], 25) }
  var s2VMID: UInt64 { bits(words[2], 15, 0) }
  var s2T0SZ: UInt64 { bits(words[2], 37, 32) }
  var s2SL0: UInt64 { bits(words[2], 39, 38) }
  var s2TG: UInt64 { bits(words[2], 47, 46) }
  var s2PS: UInt64 { bits(words[2], 50, 48) }
  var s2AA64: Bool { bit(words[2], 51) }
  var s2BigEndian: Bool { bit(words[2], 52) }
  var s2AFFD: Bool { bit(words[2], 53) }
  var s2PTW: Bool { bit(words[2], 54) }
  var s2HD: Bool { bit(words[2], 55) }
  var s2HA: Bool { bit(words[2], 56) }
  var s2Stalls: Bool { bit(words[2], 57) }
  var s2Records: Bool { bit(words[2], 58) }
  var s2TTB: UInt64 { bits(words[3], 51, 4) << 4 }
}

extension ReferenceSMMU {
  // MARK: The stream table

  func streamTableEntry(_ stream: UInt32) throws(ReferenceFault) -> ReferenceSTE {
    let address = try streamTableEntryAddress(UInt64(stream))
    var words: [UInt64] = []
    for index in UInt64(0)..<4 {
      guard let word = read(address + index * 8) else {
        throw ReferenceFault(id: ReferenceFault.steFetch, address: address)
      }
      words.append(word)
    }
    return ReferenceSTE(words: words)
  }

  private func streamTableEntryAddress(_ stream: UInt64) throws(ReferenceFault) -> UInt64 {
    let unknown = ReferenceFault(
      id: ReferenceFault.badStreamID, isRecorded: registers.recordsInvalidStreams)
    let log2Size = UInt64(registers.streamTableLog2Size)
    let sidSize = UInt64(features.sidSize)
    if !fits(stream, min(log2Size, sidSize)) { throw unknown }
    let base = bits(registers.streamTableBase, 51, 6) << 6
    if !registers.hasTwoLevels {
      // The table is aligned to the size that the register says, though streams may be fewer.
      return aligned(base, to: log2Size + 6) + stream * 64
    }
    let split = splitOfStreams()
    let log2First = log2Size > split ? log2Size - split + 3 : 3
    let first = aligned(base, to: max(6, log2First)) + (stream >> split) * 8
    guard let descriptor = read(first) else {
      throw ReferenceFault(id: ReferenceFault.steFetch, address: first)
    }
    let span = bits(descriptor, 4, 0)
    if span == 0 || span > split + 1 { throw unknown }
    let index = bits(stream, split - 1, 0)
    if !fits(index, span - 1) { throw unknown }
    return aligned(bits(descriptor, 51, 6) << 6, to: 6 + span - 1) + index * 64
  }

  /// SPLIT, whose reserved values mean 6.
  private func splitOfStreams() -> UInt64 {
    switch registers.streamTableSplit {
    case 8: 8
    case 10: 10
    default: 6
    }
  }

  // MARK: Legal entries

  /// Whether an entry is one that C_BAD_STE is not for (section 5.2.2).
  func isLegal(_ entry: ReferenceSTE) -> Bool {
    if !entry.isValid { return false }
    if entry.config < 4 { return true }
    if entry.hasStage1 && !features.s1p { return false }
    if entry.hasStage2 && !features.s2p { return false }
    if !isATSLegal(entry) { return false }
    if !isVMIDLegal(entry) { return false }
    if entry.hasStage1 && !isStage1Legal(entry) { return false }
    if entry.hasStage2 && !isStage2Legal(entry) { return false }
    return true
  }

  private func isATSLegal(_ entry: ReferenceSTE) -> Bool {
    if !features.ats || entry.config == 4 { return true }
    // Split stage: what stage 2 would do must be done, at once, when the address comes back.
    if entry.eats == 2 { return entry.config == 7 && !entry.s2Stalls }
    if entry.eats == 1 && entry.hasStage2 { return !entry.s2Stalls }
    return true
  }

  private func isVMIDLegal(_ entry: ReferenceSTE) -> Bool {
    if features.vmid16 || !features.s2p || entry.config == 4 { return true }
    if hasStreamWorldEL2(entry) { return true }
    return fits(entry.s2VMID, 8)
  }

  private func isStage1Legal(_ entry: ReferenceSTE) -> Bool {
    if entry.s1StallDisabled && features.stallModel != 0 { return false }
    if features.ssidSize > 0 && entry.s1CDMax > UInt64(features.ssidSize) { return false }
    if isSTRWUsed(entry) && (entry.strw == 1 || entry.strw == 3) { return false }
    return true
  }

  /// STRW says something where there are EL2's tables, and stage 1 is alone.
  private func isSTRWUsed(_ entry: ReferenceSTE) -> Bool { features.hyp && entry.config == 5 }

  /// Stage 1 is EL2's, with or without EL0.
  func hasStreamWorldEL2(_ entry: ReferenceSTE) -> Bool { isSTRWUsed(entry) && entry.strw == 2 }

  /// Stage 1 is EL2's without EL0: one half, one set of rights, no ASID.
  func hasStreamWorldEL2Alone(_ entry: ReferenceSTE) -> Bool {
    hasStreamWorldEL2(entry) && !registers.hasEL2Host
  }

  private func isStage2Legal(_ entry: ReferenceSTE) -> Bool {
    if !entry.s2AA64 || entry.s2BigEndian { return false }
    if entry.s2Stalls && features.stallModel == 1 { return false }
    if !entry.s2Stalls && features.stallModel == 2 { return false }
    if entry.s2HA && features.httu < 1 { return false }
    if entry.s2HD && features.httu < 2 { return false }
    guard let granule = ReferenceGranule.tg0(entry.s2TG), has(granule) else { return false }
    if entry.s2T0SZ > 39 || entry.s2T0SZ < max(64 - outputSize, 16) { return false }
    if entry.s2SL0 == 3 { return false }
    let start = stage2Start(entry, granule)
    let inputSize = 64 - entry.s2T0SZ
    // The first level resolves something, and in no more than 16 tables.
    if inputSize <= granule.shift(start) { return false }
    if inputSize - granule.shift(start) > granule.stride + 4 { return false }
    return isBaseLegal(entry.s2TTB, size(ofCode: entry.s2PS), granule)
  }

  /// The level at which a walk of stage 2 starts.
  func stage2Start(_ entry: ReferenceSTE, _ granule: ReferenceGranule) -> UInt64 {
    granule == .kib4 ? 2 - entry.s2SL0 : 3 - entry.s2SL0
  }
}
