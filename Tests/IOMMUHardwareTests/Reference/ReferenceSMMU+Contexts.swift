// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

/// The first four words of a context descriptor.
struct ReferenceCD {
  var words: [UInt64]

  var t0SZ: UInt64 { bits(words[0], 5, 0) }
  var tg0: UInt64 { bits(words[0], 7, 6) }
  var epd0: Bool { bit(words[0], 14) }
  var bigEndian: Bool { bit(words[0], 15) }
  var t1SZ: UInt64 { bits(words[0], 21, 16) }
  var tg1: UInt64 { bits(words[0], 23, 22) }
  var epd1: Bool { bit(words[0], 30) }
  var isValid: Bool { bit(words[0], 31) }
  var ips: UInt64 { bits(words[0], 34, 32) }
  var affd: Bool { bit(words[0], 35) }
  var wxn: Bool { bit(words[0], 36) }
  var tbi0: Bool { bit(words[0], 38) }
  var tbi1: Bool { bit(words[0], 39) }
  var pan: Bool { bit(words[0], 40) }
  var aa64: Bool { bit(words[0], 41) }
  var hd: Bool { bit(words[0], 42) }
  var ha: Bool { bit(words[0], 43) }
  var stalls: Bool { bit(words[0], 44) }
  var records: Bool { bit(words[0], 45) }
  var aborts: Bool { bit(words[0], 46) }
  var asid: UInt64 { bits(words[0], 63, 48) }
  var ttb0: UInt64 { bits(words[1], 51, 4) << 4 }
  var had0: Bool { bit(words[1], 1) }
  var ttb1: UInt64 { bits(words[2], 51, 4) << 4 }
  var had1: Bool { bit(words[2], 1) }
}

extension ReferenceSMMU {
  /// Which context descriptor a transaction uses; nil when stage 1 does not translate.
  func contextIndex(
    _ access: DeviceTransaction, _ entry: ReferenceSTE
  ) throws(ReferenceFault) -> UInt64? {
    let unknown = ReferenceFault(id: ReferenceFault.badSubstreamID)
    let substream = access.substreamID.map { UInt64($0) }
    if !entry.hasStage1 {
      if substream != nil { throw unknown }
      return nil
    }
    let log2Count = log2ContextCount(entry)
    if let substream {
      if log2Count == 0 { throw unknown }
      if !fits(substream, log2Count) { throw unknown }
      // Descriptor 0 is kept for those without a substream.
      if entry.s1DSS == 2 && substream == 0 { throw unknown }
      return substream
    }
    if log2Count == 0 { return 0 }
    switch entry.s1DSS {
    case 1: return nil
    case 2: return 0
    default: throw ReferenceFault(id: ReferenceFault.streamDisabled)
    }
  }

  /// S1CDMax, which says nothing on a machine without substreams.
  private func log2ContextCount(_ entry: ReferenceSTE) -> UInt64 {
    features.ssidSize == 0 ? 0 : entry.s1CDMax
  }

  // MARK: The descriptor's tables

  func contextDescriptor(
    _ index: UInt64, _ entry: ReferenceSTE
  ) throws(ReferenceFault) -> ReferenceCD {
    let address = try contextDescriptorAddress(index, entry)
    var words: [UInt64] = []
    for word in UInt64(0)..<4 { words.append(try fetch(address + word * 8, entry)) }
    return ReferenceCD(words: words)
  }

  private func contextDescriptorAddress(
    _ index: UInt64, _ entry: ReferenceSTE
  ) throws(ReferenceFault) -> UInt64 {
    let log2Count = log2ContextCount(entry)
    let pointer = entry.s1ContextPointer
    switch (log2Count, entry.s1Format) {
    case (1..., 1): return try contextDescriptorAddress(index, entry, split: 6)
    case (1..., 2): return try contextDescriptorAddress(index, entry, split: 10)
    default: return aligned(pointer, to: log2Count + 6) + index * 64
    }
  }

  private func contextDescriptorAddress(
    _ index: UInt64, _ entry: ReferenceSTE, split: UInt64
  ) throws(ReferenceFault) -> UInt64 {
    let log2Count = log2ContextCount(entry)
    let log2First = log2Count > split ? log2Count - split + 3 : 3
    let first = aligned(entry.s1ContextPointer, to: max(6, log2First)) + (index >> split) * 8
    let descriptor = try fetch(first, entry)
    if !bit(descriptor, 0) { throw ReferenceFault(id: ReferenceFault.badSubstreamID) }
    // A second level is aligned to its size: 4 KiB or 64 KiB.
    let second = aligned(bits(descriptor, 51, 12) << 12, to: split + 6)
    return second + bits(index, split - 1, 0) * 64
  }

  /// Reads a word of a descriptor or of a descriptor's table.
  private func fetch(_ address: UInt64, _ entry: ReferenceSTE) throws(ReferenceFault) -> UInt64 {
    var physical = address
    if entry.hasStage2 {
      physical = try translateStage2(address, entry, .contextDescriptor).address
    }
    guard let word = read(physical) else {
      throw ReferenceFault(id: ReferenceFault.cdFetch, address: physical)
    }
    return word
  }

  // MARK: Legal descriptors

  /// Whether a descriptor is one that C_BAD_CD is not for (section 5.4.2).
  func isLegal(_ context: ReferenceCD, _ entry: ReferenceSTE) -> Bool {
    if !context.isValid || !context.aa64 { return false }
    if context.stalls && entry.s1StallDisabled { return false }
    if context.stalls && features.stallModel == 1 { return false }
    if !context.stalls && features.stallModel == 2 { return false }
    if context.ha && features.httu < 1 { return false }
    if context.hd && features.httu < 2 { return false }
    let isAlone = hasStreamWorldEL2Alone(entry)
    if !isAlone && !features.asid16 && !fits(context.asid, 8) { return false }
    let usesLower = isAlone || !context.epd0
    let usesUpper = !isAlone && !context.epd1
    if context.bigEndian && (usesLower || usesUpper) { return false }
    let size = size(ofCode: context.ips)
    if usesLower {
      let granule = ReferenceGranule.tg0(context.tg0)
      if !isHalfLegal(context.t0SZ, granule, context.ttb0, size) { return false }
    }
    if usesUpper {
      let granule = ReferenceGranule.tg1(context.tg1)
      if !isHalfLegal(context.t1SZ, granule, context.ttb1, size) { return false }
    }
    return true
  }

  private func isHalfLegal(
    _ txSZ: UInt64, _ granule: ReferenceGranule?, _ base: UInt64, _ size: UInt64
  ) -> Bool {
    guard let granule, has(granule) else { return false }
    if txSZ < 16 || txSZ > 39 { return false }
    return isBaseLegal(base, size, granule)
  }
}
