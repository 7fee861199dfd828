// SPDX-License-Identifier: Apache-2.0

/// What a valid context descriptor says, decoded and checked.
struct Stage1Configuration: Sendable, Equatable {
  /// The half of virtual addresses whose upper bits are all zero.
  var lower: Half
  /// The half of virtual addresses whose upper bits are all one.
  var upper: Half
  /// The tag of its translations in the TLB.
  var asid: UInt16
  /// The number of bits of an output address.
  var outputSize: Int
  /// The translation regime, which the stream table entry says.
  var regime: StreamConfiguration.Regime
  /// AFFD: a clear access flag is no fault.
  var accessFlagFaultDisabled: Bool
  /// HA: the hardware sets access flags.
  var setsAccessFlag: Bool
  /// HA and HD: the hardware keeps the dirty state too.
  var setsDirtyState: Bool
  /// WXN: what can be written cannot be executed.
  var writeExecuteNever: Bool
  /// PAN: the privileged can neither read nor write pages of the unprivileged.
  var privilegedAccessNever: Bool
  /// S: a fault stalls the transaction.
  var stalls: Bool
  /// R: a fault is recorded.
  var records: Bool
  /// A: a transaction that is terminated is aborted.
  var aborts: Bool

  /// One of the two halves of virtual addresses.
  struct Half: Sendable, Equatable {
    /// Whether it has tables; if not, its addresses fault.
    var isEnabled = false
    /// The address of the first table.
    var base: UInt64 = 0
    /// The granule of the tables.
    var granule = Granule.size4K
    /// The number of bits of its addresses.
    var inputSize = 0
    /// TBI: bits 63:56 of an address are ignored.
    var ignoresTopByte = false
    /// HAD: the attributes in table descriptors do not count.
    var ignoresTableAttributes = false

    /// The level at which a walk starts: the first that resolves at least one bit.
    var startLevel: Int { 4 - (inputSize - 4) / granule.stride }
  }

  /// The half whose tables an address is looked up in, by bit 55. EL2's regime only has the lower
  /// one.
  func half(of address: UInt64) -> Half {
    address.bit(55) && regime != .el2 ? upper : lower
  }
}

extension Stage1Configuration {
  /// Decodes a context descriptor.
  ///
  /// - Throws: C_BAD_CD if something in it is illegal (sections 5.4.2 and 5.5).
  init(
    _ cd: ContextDescriptor, of stream: StreamConfiguration, _ features: SMMUv3Features
  ) throws(TranslationFault) {
    let bad = TranslationFault(.badCD)
    guard cd.isValid, cd.aa64 else { throw bad }
    // Only little-endian tables are taken (IDR0.TTENDIAN). If neither half has tables, their byte
    // order does not count.
    if cd.endi, !(cd.epd0 && cd.epd1) { throw bad }
    if cd.ha && features.httu < 1 || cd.hd && features.httu < 2 { throw bad }
    switch features.stallModel {
    case 1: if cd.s { throw bad }
    case 2: if !cd.s { throw bad }
    default: if cd.s, stream.stage1?.isStallDisabled == true { throw bad }
    }
    let hasHalves = stream.regime == .el1 || stream.regime == .el2Host
    // The regimes that have no ASID do not look at the field.
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
  /// Decodes what a context descriptor says of one of its halves.
  ///
  /// - Throws: C_BAD_CD if something in it is illegal. If the half is not enabled, nothing of it is
  ///   looked at.
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
