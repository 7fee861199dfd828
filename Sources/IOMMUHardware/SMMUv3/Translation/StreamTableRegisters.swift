// SPDX-License-Identifier: Apache-2.0

/// What the SMMU's registers say about translation. It is a snapshot that the machine takes from
/// its registers, and that tests put together themselves.
public struct TranslationRegisters: Sendable, Equatable {
  /// CR0.SMMUEN: whether the SMMU translates.
  public var isEnabled = false
  /// CR0.ATSCHK: whether translated transactions are checked against their stream's entry.
  public var checksATS = false
  /// CR2.E2H: whether EL2's regime is that of a host, with ASIDs and two halves of addresses.
  public var hasEL2Host = false
  /// CR2.RECINVSID: whether C_BAD_STREAMID is recorded.
  public var recordsInvalidStreams = false
  /// GBPA.ABORT: whether transactions are aborted while the SMMU is disabled; if not, they go on
  /// untranslated.
  public var abortsWhileDisabled = false
  /// STRTAB_BASE.ADDR: the address of the stream table.
  public var streamTableBase: UInt64 = 0
  /// STRTAB_BASE_CFG.FMT: whether the stream table has two levels.
  public var hasTwoLevels = false
  /// STRTAB_BASE_CFG.LOG2SIZE: the logarithm of the number of streams that the table is for.
  public var streamTableLog2Size = 0
  /// STRTAB_BASE_CFG.SPLIT: how many bits of a stream ID the second level resolves: 6, 8 or 10. Any
  /// other value is taken for 6.
  public var streamTableSplit = 0

  /// The registers with all these fields zero.
  public init() {}
}

extension TableWalker {
  /// Reads the entry of a stream (IHI 0070, sections 3.3.1 and 5.1).
  ///
  /// - Throws: C_BAD_STREAMID if the table has no entry for the stream, F_STE_FETCH if memory does
  ///   not have it.
  mutating func streamTableEntry(
    _ stream: UInt32, _ registers: TranslationRegisters
  ) throws(TranslationFault) -> StreamTableEntry {
    let address = try streamTableAddress(stream, registers)
    var words = (UInt64(0), UInt64(0), UInt64(0), UInt64(0))
    do {
      words.0 = try read(address)
      words.1 = try read(address &+ 8)
      words.2 = try read(address &+ 16)
      words.3 = try read(address &+ 24)
    } catch {
      throw TranslationFault(.steFetch, detail: address)
    }
    return StreamTableEntry(dw0: words.0, dw1: words.1, dw2: words.2, dw3: words.3)
  }

  /// The physical address of a stream's entry.
  private mutating func streamTableAddress(
    _ stream: UInt32, _ registers: TranslationRegisters
  ) throws(TranslationFault) -> UInt64 {
    var unknown = TranslationFault(.badStreamID)
    unknown.isRecorded = registers.recordsInvalidStreams
    let bits = min(registers.streamTableLog2Size, features.sidSize, 32)
    let stream = UInt64(stream)
    if stream & ~UInt64.ones(bits) != 0 { throw unknown }
    let addressMask: UInt64 = 0x000f_ffff_ffff_ffc0
    if !registers.hasTwoLevels {
      // The table is aligned to the size that LOG2SIZE says, even if SIDSIZE makes less of it
      // usable.
      let base =
        registers.streamTableBase & addressMask
        & ~UInt64.ones(registers.streamTableLog2Size + 6)
      return base | stream << 6
    }
    let split = [6, 8, 10].contains(registers.streamTableSplit) ? registers.streamTableSplit : 6
    let base =
      registers.streamTableBase & addressMask
      & ~UInt64.ones(max(6, registers.streamTableLog2Size - split + 3))
    let pointer = base | (stream >> UInt64(split)) << 3
    let descriptor: UInt64
    do { descriptor = try read(pointer) } catch {
      throw TranslationFault(.steFetch, detail: pointer)
    }
    // A second-level table has 2^(SPAN - 1) entries. A SPAN of 0 means that there is none, and a
    // SPAN of more entries than SPLIT resolves is illegal (section 7.3.3).
    let span = Int(descriptor.field(4, 0))
    let index = stream & UInt64.ones(split)
    if span == 0 || span > split + 1 || index & ~UInt64.ones(span - 1) != 0 { throw unknown }
    let table = descriptor & addressMask & ~UInt64.ones(span - 1 + 6)
    return table | index << 6
  }

  /// The index of the context descriptor that a transaction uses; nil if stage 1 does not translate
  /// or is skipped (section 5.2, S1DSS).
  ///
  /// - Throws: C_BAD_SUBSTREAMID if there is no descriptor for the substream, F_STREAM_DISABLED if
  ///   there has to be a substream and there is none.
  static func contextIndex(
    _ substream: UInt32?, _ stream: StreamConfiguration
  ) throws(TranslationFault) -> UInt32? {
    guard let stage1 = stream.stage1 else {
      if substream != nil { throw TranslationFault(.badSubstreamID) }
      return nil
    }
    if let substream {
      let isZeroTaken = stage1.defaultSubstream == 2 && substream == 0
      let isKnown = UInt64(substream) & ~UInt64.ones(stage1.maximum) == 0
      if stage1.maximum == 0 || !isKnown || isZeroTaken {
        throw TranslationFault(.badSubstreamID)
      }
      return substream
    }
    if stage1.maximum == 0 { return 0 }
    switch stage1.defaultSubstream {
    case 1: return nil
    case 2: return 0
    default: throw TranslationFault(.streamDisabled)
    }
  }

  /// Reads a context descriptor. Its address is an intermediate one if there is a stage 2.
  ///
  /// - Throws: C_BAD_SUBSTREAMID if the first-level table has no second-level table for it,
  ///   F_CD_FETCH if memory does not have it, or what stage 2 finds wrong with its address.
  mutating func contextDescriptor(
    _ index: UInt32, _ stage1: Stage1Tables, _ stage2: Stage2Configuration?
  ) throws(TranslationFault) -> ContextDescriptor {
    let index = UInt64(index)
    if stage1.format == 0 {
      let base = stage1.pointer & ~UInt64.ones(stage1.maximum + 6)
      return try contextDescriptor(at: base | index << 6, stage2)
    }
    let split = stage1.format == 1 ? 6 : 10
    let base = stage1.pointer & ~UInt64.ones(max(6, stage1.maximum - split + 3))
    let pointer = base | (index >> UInt64(split)) << 3
    let descriptor = try fetch(pointer, stage2)
    if !descriptor.bit(0) { throw TranslationFault(.badSubstreamID) }
    // A second-level table is aligned to its size, which is 4 KiB or 64 KiB.
    let table = descriptor & 0x000f_ffff_ffff_ffff & ~UInt64.ones(split + 6)
    return try contextDescriptor(at: table | (index & UInt64.ones(split)) << 6, stage2)
  }

  /// Reads the words of a context descriptor that matter.
  private mutating func contextDescriptor(
    at address: UInt64, _ stage2: Stage2Configuration?
  ) throws(TranslationFault) -> ContextDescriptor {
    ContextDescriptor(
      dw0: try fetch(address, stage2), dw1: try fetch(address &+ 8, stage2),
      dw2: try fetch(address &+ 16, stage2), dw3: try fetch(address &+ 24, stage2))
  }

  /// Reads a word of a context descriptor, or of a first-level table of them.
  private mutating func fetch(
    _ address: UInt64, _ stage2: Stage2Configuration?
  ) throws(TranslationFault) -> UInt64 {
    var physical = address
    if let stage2 {
      let purpose = Purpose(faultClass: .contextDescriptor, need: .anyRead, isWrite: false)
      physical = try translate(intermediate: address, stage2, purpose).output
    }
    do { return try read(physical) } catch {
      throw TranslationFault(.cdFetch, class: .contextDescriptor, detail: physical)
    }
  }
}
