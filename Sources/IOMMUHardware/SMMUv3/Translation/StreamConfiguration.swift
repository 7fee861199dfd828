// SPDX-License-Identifier: Apache-2.0

/// What a valid stream table entry says, decoded and checked.
struct StreamConfiguration: Sendable, Equatable {
  /// The translation regime (the StreamWorld of the specification), which decides by what cached
  /// translations are tagged.
  enum Regime: UInt8, Sendable, Equatable {
    /// EL1 and EL0: translations are tagged with a VMID and an ASID.
    case el1 = 0
    /// EL2 alone: translations have neither a VMID nor an ASID.
    case el2 = 1
    /// EL2 and EL0 (CR2.E2H): translations are tagged with an ASID.
    case el2Host = 2
    /// Translations of stage 2 by itself: they are tagged with a VMID.
    case stage2 = 3
  }

  /// What is done with the stream's transactions.
  enum Mode: UInt8, Sendable, Equatable {
    /// They are aborted, without a record.
    case abort
    /// They go on untranslated.
    case bypass
    /// Stage 1, stage 2 or both translate them.
    case translate
  }

  /// What is done with the stream's transactions.
  var mode: Mode
  /// Where stage 1's context descriptors are; nil if stage 1 does not translate.
  var stage1: Stage1Tables?
  /// How stage 2 translates; nil if it does not.
  var stage2: Stage2Configuration?
  /// The translation regime of stage 1.
  var regime = Regime.el1
  /// S2VMID; 0 on an SMMU without stage 2.
  var vmid: UInt16 = 0
  /// EATS: 0 is no ATS, 1 full ATS, 2 split-stage ATS.
  var eats: UInt64 = 0
}

/// Where the context descriptors of a stream table entry are.
struct Stage1Tables: Sendable, Equatable {
  /// S1Fmt: 0 is a linear table, 1 two levels with 64 descriptors in a second-level table, 2 two
  /// levels with 1024.
  var format: UInt64
  /// S1ContextPtr: the address of the descriptor or of the first table; an intermediate one if
  /// there is a stage 2.
  var pointer: UInt64
  /// S1CDMax: the logarithm of the number of descriptors; 0 if there are no substreams.
  var maximum: Int
  /// S1DSS: what is done with a transaction without a substream. 0 terminates it, 1 skips stage 1,
  /// 2 uses descriptor 0.
  var defaultSubstream: UInt64
  /// S1STALLD: faults of stage 1 must not stall.
  var isStallDisabled: Bool
}

/// What a stream table entry says of stage 2.
struct Stage2Configuration: Sendable, Equatable {
  /// S2TTB: the physical address of the first table.
  var base: UInt64
  /// The granule of the tables.
  var granule: Granule
  /// The number of bits of an intermediate address.
  var inputSize: Int
  /// The level at which a walk starts.
  var startLevel: Int
  /// The number of bits of an output address.
  var outputSize: Int
  /// S2VMID: the tag of its translations in the TLB.
  var vmid: UInt16
  /// S2AFFD: a clear access flag is no fault.
  var accessFlagFaultDisabled: Bool
  /// S2HA: the hardware sets access flags.
  var setsAccessFlag: Bool
  /// S2HA and S2HD: the hardware keeps the dirty state too.
  var setsDirtyState: Bool
  /// S2PTW: stage 1's tables and context descriptors must not be in device memory.
  var protectsTableWalks: Bool
  /// S2FWB: the memory attributes of stage 2's descriptors have their other meaning.
  var forcesWriteBack: Bool
  /// S2S: a fault stalls the transaction.
  var stalls: Bool
  /// S2R: a fault is recorded.
  var records: Bool
}

extension StreamConfiguration {
  /// Decodes a stream table entry.
  ///
  /// - Parameters:
  ///   - ste: the entry.
  ///   - features: what the SMMU can do.
  ///   - hasEL2Host: CR2.E2H.
  /// - Throws: C_BAD_STE if the entry is not valid, or something in it is illegal (sections 5.2 and
  ///   5.5).
  init(
    _ ste: StreamTableEntry, _ features: SMMUv3Features, hasEL2Host: Bool
  ) throws(TranslationFault) {
    let bad = TranslationFault(.badSTE)
    if !ste.isValid { throw bad }
    // All values of Config whose bit 2 is clear behave as abort.
    if !ste.dw0.bit(3) {
      self.init(mode: .abort)
      return
    }
    let usesStage1 = ste.translatesStage1
    let usesStage2 = ste.translatesStage2
    if usesStage1 && !features.s1p || usesStage2 && !features.s2p { throw bad }
    self.init(mode: usesStage1 || usesStage2 ? .translate : .bypass)
    // EATS does not count for a stream that is not translated. Its reserved value 3 means no ATS
    // too.
    eats = mode == .bypass || !features.ats ? 0 : ste.eats == 3 ? 0 : ste.eats
    if eats == 2, !(usesStage1 && usesStage2) { throw bad }
    // With ATS stage 2 must not stall, because a Translation Request that waits for software would
    // keep the device waiting.
    if eats != 0, usesStage2, ste.s2S { throw bad }
    if features.s2p { vmid = UInt16(truncatingIfNeeded: ste.s2VMID) }
    if usesStage1 { stage1 = try Stage1Tables(ste, features) }
    if usesStage2 {
      stage2 = try Stage2Configuration(ste, features, vmid: vmid)
    } else if usesStage1, features.hyp {
      switch ste.strw {
      case 0: break
      case 2: regime = hasEL2Host ? .el2Host : .el2
      default: throw bad
      }
    }
    let usesVMID = mode == .translate && regime == .el1
    if usesVMID, !features.vmid16, vmid > 0xff { throw bad }
  }

  /// EATS, or 0 where it does not count. Split-stage ATS needs CR0.ATSCHK, because the addresses
  /// that the device sends back must go through stage 2 (section 5.2).
  func eats(_ registers: TranslationRegisters) -> UInt64 {
    eats == 2 && !registers.checksATS ? 0 : eats
  }
}

extension Stage1Tables {
  /// Decodes where an entry's context descriptors are.
  ///
  /// - Throws: C_BAD_STE if something about it is illegal.
  init(_ ste: StreamTableEntry, _ features: SMMUv3Features) throws(TranslationFault) {
    let bad = TranslationFault(.badSTE)
    if features.stallModel != 0, ste.s1STALLD { throw bad }
    let maximum = features.ssidSize == 0 ? 0 : Int(ste.s1CDMax)
    if maximum > features.ssidSize { throw bad }
    // The reserved format 3 behaves as the linear one.
    let format = maximum == 0 || ste.s1Fmt == 3 ? 0 : ste.s1Fmt
    self.init(
      format: format, pointer: ste.s1ContextPtr, maximum: maximum,
      defaultSubstream: ste.s1DSS == 3 ? 0 : ste.s1DSS, isStallDisabled: ste.s1STALLD)
  }
}

extension Stage2Configuration {
  /// Decodes what an entry says of stage 2.
  ///
  /// - Throws: C_BAD_STE if something about it is illegal.
  init(
    _ ste: StreamTableEntry, _ features: SMMUv3Features, vmid: UInt16
  ) throws(TranslationFault) {
    let bad = TranslationFault(.badSTE)
    guard ste.s2AA64, !ste.s2ENDI, let granule = Granule(tg0: ste.s2TG),
      granule.isSupported(by: features), ste.s2SL0 != 3
    else { throw bad }
    if features.stallModel == 1 && ste.s2S || features.stallModel == 2 && !ste.s2S { throw bad }
    if ste.s2HA && features.httu < 1 || ste.s2HD && features.httu < 2 { throw bad }
    let size = Int(ste.s2T0SZ)
    if size > 39 || size < max(64 - features.oas, 16) { throw bad }
    let inputSize = 64 - size
    let startLevel = (granule == .size4K ? 2 : 3) - Int(ste.s2SL0)
    // The number of bits that the first level resolves. It may be up to four more than one table
    // resolves, because up to 16 tables may follow one another in memory and be used as one.
    let firstBits = inputSize - granule.shift(atLevel: startLevel)
    if firstBits < 1 || firstBits > granule.stride + 4 { throw bad }
    let outputSize = min(SMMUv3Features.outputSize(ste.s2PS), features.oas)
    if ste.s2TTB & ~UInt64.ones(granule.baseSize(outputSize)) != 0 { throw bad }
    // The first table is aligned to its size, so the bits below that do not count.
    let base = ste.s2TTB & ~UInt64.ones(Granule.tableAlignment(firstBits, outputSize))
    self.init(
      base: base, granule: granule, inputSize: inputSize, startLevel: startLevel,
      outputSize: outputSize, vmid: vmid, accessFlagFaultDisabled: ste.s2AFFD,
      setsAccessFlag: ste.s2HA, setsDirtyState: ste.s2HA && ste.s2HD,
      protectsTableWalks: ste.s2PTW, forcesWriteBack: features.fwb && ste.s2FWB, stalls: ste.s2S,
      records: ste.s2R)
  }
}

extension SMMUv3Features {
  /// The number of address bits by the code of IPS, S2PS or OAS. The reserved code 7 means the
  /// greatest.
  static func outputSize(_ code: UInt64) -> Int {
    code < 7 ? outputSizes[Int(code)] : 52
  }
}
