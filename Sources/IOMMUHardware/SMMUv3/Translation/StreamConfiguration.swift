// SPDX-License-Identifier: Apache-2.0

/// What a valid stream table entry says, ready for use.
struct StreamConfiguration: Sendable, Equatable {
  /// Whose translations stage 1's are (StreamWorld).
  enum Regime: UInt8, Sendable, Equatable {
    /// EL1 and EL0: tagged with VMID and ASID.
    case el1 = 0
    /// EL2 alone: neither VMID nor ASID.
    case el2 = 1
    /// EL2 and EL0 (CR2.E2H): tagged with an ASID.
    case el2Host = 2
    /// Stage 2's own translations: tagged with a VMID.
    case stage2 = 3
  }

  enum Mode: UInt8, Sendable, Equatable {
    case abort
    case bypass
    case translate
  }

  var mode: Mode
  var stage1: Stage1Tables?
  var stage2: Stage2Configuration?
  var regime = Regime.el1
  var vmid: UInt16 = 0
  /// EATS: 0 no ATS, 1 full ATS, 2 split stage.
  var eats: UInt64 = 0
}

/// Where an entry's context descriptors are.
struct Stage1Tables: Sendable, Equatable {
  var format: UInt64
  var pointer: UInt64
  /// The logarithm of how many there are.
  var maximum: Int
  /// S1DSS: what a transaction without a substream gets.
  var defaultSubstream: UInt64
  /// S1STALLD: stage 1 may not stall.
  var isStallDisabled: Bool
}

/// Stage 2 of an entry.
struct Stage2Configuration: Sendable, Equatable {
  var base: UInt64
  var granule: Granule
  /// The width of the intermediate address.
  var inputSize: Int
  var startLevel: Int
  var outputSize: Int
  var vmid: UInt16
  var accessFlagFaultDisabled: Bool
  var setsAccessFlag: Bool
  var setsDirtyState: Bool
  /// S2PTW: stage 1's tables and descriptors may not be in device memory.
  var protectsTableWalks: Bool
  /// S2FWB: the attributes of stage 2's descriptors have their other meaning.
  var forcesWriteBack: Bool
  var stalls: Bool
  var records: Bool
}

extension StreamConfiguration {
  /// Decodes an entry, or finds what is illegal about it (C_BAD_STE; sections 5.2 and 5.5).
  ///
  /// - Parameter hasEL2Host: CR2.E2H.
  init(
    _ ste: StreamTableEntry, _ features: SMMUv3Features, hasEL2Host: Bool
  ) throws(TranslationFault) {
    let bad = TranslationFault(.badSTE)
    if !ste.isValid { throw bad }
    // Config 0b0xx: all behave as abort.
    if !ste.dw0.bit(3) {
      self.init(mode: .abort)
      return
    }
    let usesStage1 = ste.translatesStage1
    let usesStage2 = ste.translatesStage2
    if usesStage1 && !features.s1p || usesStage2 && !features.s2p { throw bad }
    self.init(mode: usesStage1 || usesStage2 ? .translate : .bypass)
    // Without a translation there is no ATS, whatever EATS says.
    eats = mode == .bypass || !features.ats ? 0 : ste.eats == 3 ? 0 : ste.eats
    if eats == 2, !(usesStage1 && usesStage2) { throw bad }
    // A request that waits for software would keep the device waiting.
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

  /// EATS, as far as it counts: split-stage ATS needs the check of what comes back (section 5.2).
  func eats(_ registers: TranslationRegisters) -> UInt64 {
    eats == 2 && !registers.checksATS ? 0 : eats
  }
}

extension Stage1Tables {
  init(_ ste: StreamTableEntry, _ features: SMMUv3Features) throws(TranslationFault) {
    let bad = TranslationFault(.badSTE)
    if features.stallModel != 0, ste.s1STALLD { throw bad }
    let maximum = features.ssidSize == 0 ? 0 : Int(ste.s1CDMax)
    if maximum > features.ssidSize { throw bad }
    // Format 3 behaves as the linear one.
    let format = maximum == 0 || ste.s1Fmt == 3 ? 0 : ste.s1Fmt
    self.init(
      format: format, pointer: ste.s1ContextPtr, maximum: maximum,
      defaultSubstream: ste.s1DSS == 3 ? 0 : ste.s1DSS, isStallDisabled: ste.s1STALLD)
  }
}

extension Stage2Configuration {
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
    // Bits that the first level resolves: up to four more than a table has, in as many tables
    // one behind the other as that makes.
    let firstBits = inputSize - granule.shift(atLevel: startLevel)
    if firstBits < 1 || firstBits > granule.stride + 4 { throw bad }
    let outputSize = min(SMMUv3Features.outputSize(ste.s2PS), features.oas)
    if ste.s2TTB & ~UInt64.ones(granule.baseSize(outputSize)) != 0 { throw bad }
    // A start table is aligned to its own size.
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
  /// The bits of an address by the code of IPS, S2PS and OAS; the reserved one is the widest.
  static func outputSize(_ code: UInt64) -> Int {
    code < 7 ? outputSizes[Int(code)] : 52
  }
}
