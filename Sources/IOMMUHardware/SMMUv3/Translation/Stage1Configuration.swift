// SPDX-License-Identifier: Apache-2.0

/// What a valid context descriptor says, ready for use.
struct Stage1Configuration: Sendable, Equatable {
  /// The addresses whose upper bits are all zero.
  var lower: Half
  /// The addresses whose upper bits are all one.
  var upper: Half
  var asid: UInt16
  /// The width of what comes out.
  var outputSize: Int
  var regime: StreamConfiguration.Regime
  var accessFlagFaultDisabled: Bool
  var setsAccessFlag: Bool
  var setsDirtyState: Bool
  var writeExecuteNever: Bool
  var privilegedAccessNever: Bool
  var stalls: Bool
  var records: Bool
  var aborts: Bool

  /// One of the two ranges of virtual addresses.
  struct Half: Sendable, Equatable {
    var isEnabled = false
    var base: UInt64 = 0
    var granule = Granule.size4K
    var inputSize = 0
    /// TBI: bits 63:56 are the device's own.
    var ignoresTopByte = false
    /// HAD: table descriptors have no attributes.
    var ignoresTableAttributes = false

    /// Where a walk starts: the first level that resolves at least one bit.
    var startLevel: Int { 4 - (inputSize - 4) / granule.stride }
  }

  /// The half in whose range an address is looked for: bit 55 tells.
  func half(of address: UInt64) -> Half {
    address.bit(55) && regime != .el2 ? upper : lower
  }
}

extension Stage1Configuration {
  /// Decodes a descriptor, or finds what is illegal about it (C_BAD_CD; sections 5.4.2 and 5.5).
  init(
    _ cd: ContextDescriptor, of stream: StreamConfiguration, _ features: SMMUv3Features
  ) throws(TranslationFault) {
    let bad = TranslationFault(.badCD)
    guard cd.isValid, cd.aa64 else { throw bad }
    // TTENDIAN is little, but without tables there is no order of bytes.
    if cd.endi, !(cd.epd0 && cd.epd1) { throw bad }
    if cd.ha && features.httu < 1 || cd.hd && features.httu < 2 { throw bad }
    switch features.stallModel {
    case 1: if cd.s { throw bad }
    case 2: if !cd.s { throw bad }
    default: if cd.s, stream.stage1?.isStallDisabled == true { throw bad }
    }
    let hasHalves = stream.regime == .el1 || stream.regime == .el2Host
    // Where there are no ASIDs, nobody looks at one.
    if hasHalves, !features.asid16, cd.asid > 0xff { throw bad }
    let width = min(SMMUv3Features.outputSize(cd.ips), features.oas)
    let lower = try Half(
      isEnabled: !(cd.epd0 && hasHalves), base: cd.ttb0, size: cd.t0SZ, Granule(tg0: cd.tg0),
      outputSize: width, features)
    let upper = try Half(
      isEnabled: !cd.epd1 && hasHalves, base: cd.ttb1, size: cd.t1SZ, Granule(tg1: cd.tg1),
      outputSize: width, features)
    self.init(cd, lower, upper, outputSize: width, regime: stream.regime, features)
    self.lower.ignoresTopByte = cd.tbi.bit(0)
    self.upper.ignoresTopByte = cd.tbi.bit(1)
    self.lower.ignoresTableAttributes = cd.had0 && features.had
    self.upper.ignoresTableAttributes = cd.had1 && features.had
  }

  private init(
    _ cd: ContextDescriptor, _ lower: Half, _ upper: Half, outputSize: Int,
    regime: StreamConfiguration.Regime, _ features: SMMUv3Features
  ) {
    self.lower = lower
    self.upper = upper
    asid = UInt16(truncatingIfNeeded: cd.asid)
    self.outputSize = outputSize
    self.regime = regime
    accessFlagFaultDisabled = cd.affd
    setsAccessFlag = cd.ha
    setsDirtyState = cd.ha && cd.hd
    writeExecuteNever = cd.wxn
    privilegedAccessNever = cd.pan
    stalls = cd.s
    records = cd.r
    aborts = cd.a
  }
}

extension Stage1Configuration.Half {
  init(
    isEnabled: Bool, base: UInt64, size: UInt64, _ granule: Granule?, outputSize: Int,
    _ features: SMMUv3Features
  ) throws(TranslationFault) {
    self.init()
    if !isEnabled { return }
    let bad = TranslationFault(.badCD)
    guard let granule, granule.isSupported(by: features), size >= 16, size <= 39 else { throw bad }
    if base & ~UInt64.ones(granule.baseSize(outputSize)) != 0 { throw bad }
    self.isEnabled = true
    self.granule = granule
    inputSize = 64 - Int(size)
    let firstBits = inputSize - granule.shift(atLevel: startLevel)
    self.base = base & ~UInt64.ones(Granule.tableAlignment(firstBits, outputSize))
  }
}
