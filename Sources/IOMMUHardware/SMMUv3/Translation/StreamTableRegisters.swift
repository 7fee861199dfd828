// SPDX-License-Identifier: Apache-2.0

/// What the registers say about translation: a snapshot, which tests make by hand and the machine
/// takes from its register file.
public struct TranslationRegisters: Sendable, Equatable {
  /// CR0.SMMUEN.
  public var isEnabled = false
  /// CR0.ATSCHK: translated transactions are checked against the stream's entry.
  public var checksATS = false
  /// CR2.E2H.
  public var hasEL2Host = false
  /// CR2.RECINVSID: C_BAD_STREAMID is recorded.
  public var recordsInvalidStreams = false
  /// GBPA.ABORT: what is not translated is aborted while the SMMU is disabled.
  public var abortsWhileDisabled = false
  /// STRTAB_BASE.ADDR.
  public var streamTableBase: UInt64 = 0
  /// STRTAB_BASE_CFG.FMT: whether the table has two levels.
  public var hasTwoLevels = false
  /// STRTAB_BASE_CFG.LOG2SIZE: the logarithm of the number of streams.
  public var streamTableLog2Size = 0
  /// STRTAB_BASE_CFG.SPLIT: how many bits of a stream ID the second level resolves.
  public var streamTableSplit = 0

  /// What the registers say out of reset.
  public init() {}
}

extension TableWalker {
  /// Reads a stream's entry (IHI 0070, sections 3.3.1 and 5.1).
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
      // A table is aligned to the size that LOG2SIZE says, of which SIDSIZE may leave less.
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
    // SPAN: 0 is invalid, and a second level holds 2^(SPAN - 1) entries, never more than SPLIT
    // resolves (section 7.3.3).
    let span = Int(descriptor.field(4, 0))
    let index = stream & UInt64.ones(split)
    if span == 0 || span > split + 1 || index & ~UInt64.ones(span - 1) != 0 { throw unknown }
    let table = descriptor & addressMask & ~UInt64.ones(span - 1 + 6)
    return table | index << 6
  }

  /// The descriptor that a transaction uses: its index, or nil when stage 1 is to be skipped
  /// (section 5.2, S1DSS).
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

  /// Reads a context descriptor, whose address is an intermediate one if there is a stage 2.
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
    // A second level is aligned to its size: 4 KiB or 64 KiB.
    let table = descriptor & 0x000f_ffff_ffff_ffff & ~UInt64.ones(split + 6)
    return try contextDescriptor(at: table | (index & UInt64.ones(split)) << 6, stage2)
  }

  private mutating func contextDescriptor(
    at address: UInt64, _ stage2: Stage2Configuration?
  ) throws(TranslationFault) -> ContextDescriptor {
    ContextDescriptor(
      dw0: try fetch(address, stage2), dw1: try fetch(address &+ 8, stage2),
      dw2: try fetch(address &+ 16, stage2), dw3: try fetch(address &+ 24, stage2))
  }

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
