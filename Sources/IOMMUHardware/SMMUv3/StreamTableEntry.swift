// SPDX-License-Identifier: Apache-2.0

/// A stream table entry: eight 64-bit words (IHI 0070, section 5.2; `struct arm_smmu_ste`).
public struct StreamTableEntry: Sendable, Equatable {
  /// What happens to a stream's transactions (`Config`, dw0 bits 3:1). Open: a guest may write
  /// any of the eight values.
  public struct Config: RawRepresentable, Sendable, Equatable {
    /// Config as it stands in the entry, 0 to 7.
    public let rawValue: UInt64
    /// A value of the field; bits above the third are cut off.
    public init(rawValue: UInt64) { self.rawValue = rawValue & 7 }

    /// All transactions are aborted.
    public static let abort = Config(rawValue: 0)
    /// Transactions pass untranslated.
    public static let bypass = Config(rawValue: 4)
    /// Stage 1 translates.
    public static let stage1 = Config(rawValue: 5)
    /// Stage 2 translates.
    public static let stage2 = Config(rawValue: 6)
    /// Stage 1 translates, and then stage 2.
    public static let nested = Config(rawValue: 7)
  }

  /// Bits 63 to 0 of the entry.
  public var dw0: UInt64
  /// Bits 127 to 64 of the entry.
  public var dw1: UInt64
  /// Bits 191 to 128 of the entry.
  public var dw2: UInt64
  /// Bits 255 to 192 of the entry.
  public var dw3: UInt64
  // The upper half has fields of other security states and features only.
  /// Bits 319 to 256 of the entry.
  public var dw4: UInt64 = 0
  /// Bits 383 to 320 of the entry.
  public var dw5: UInt64 = 0
  /// Bits 447 to 384 of the entry.
  public var dw6: UInt64 = 0
  /// Bits 511 to 448 of the entry.
  public var dw7: UInt64 = 0

  /// An entry by its first four words; the others are zero.
  public init(dw0: UInt64 = 0, dw1: UInt64 = 0, dw2: UInt64 = 0, dw3: UInt64 = 0) {
    self.dw0 = dw0
    self.dw1 = dw1
    self.dw2 = dw2
    self.dw3 = dw3
  }

  /// The eight words, as they are in memory.
  public var words: [UInt64] { [dw0, dw1, dw2, dw3, dw4, dw5, dw6, dw7] }

  /// V, dw0 bit 0: whether the entry means anything.
  public var isValid: Bool {
    get { dw0.bit(0) }
    set { dw0.setBit(0, newValue) }
  }

  /// Config, dw0 bits 3:1: what is done with transactions.
  public var config: Config {
    get { Config(rawValue: dw0.field(3, 1)) }
    set { dw0.setField(3, 1, newValue.rawValue) }
  }

  /// S1Fmt, dw0 bits 5:4: 0 linear, 1 two levels of 4 KiB, 2 two levels of 64 KiB.
  public var s1Fmt: UInt64 {
    get { dw0.field(5, 4) }
    set { dw0.setField(5, 4, newValue) }
  }

  /// S1ContextPtr, dw0 bits 51:6, as an address.
  public var s1ContextPtr: UInt64 {
    get { dw0.field(51, 6) << 6 }
    set { dw0.setField(51, 6, newValue >> 6) }
  }

  /// S1CDMax, dw0 bits 63:59: the logarithm of the number of context descriptors.
  public var s1CDMax: UInt64 {
    get { dw0.field(63, 59) }
    set { dw0.setField(63, 59, newValue) }
  }

  /// S1DSS, dw1 bits 1:0: what a transaction without a substream gets: 0 terminate, 1 bypass,
  /// 2 context descriptor 0.
  public var s1DSS: UInt64 {
    get { dw1.field(1, 0) }
    set { dw1.setField(1, 0, newValue) }
  }

  /// S1CIR, dw1 bits 3:2.
  public var s1CIR: UInt64 {
    get { dw1.field(3, 2) }
    set { dw1.setField(3, 2, newValue) }
  }

  /// S1COR, dw1 bits 5:4.
  public var s1COR: UInt64 {
    get { dw1.field(5, 4) }
    set { dw1.setField(5, 4, newValue) }
  }

  /// S1CSH, dw1 bits 7:6.
  public var s1CSH: UInt64 {
    get { dw1.field(7, 6) }
    set { dw1.setField(7, 6, newValue) }
  }

  /// MEV, dw1 bit 19: identical events may be merged.
  public var mev: Bool {
    get { dw1.bit(19) }
    set { dw1.setBit(19, newValue) }
  }

  /// S2FWB, dw1 bit 25.
  public var s2FWB: Bool {
    get { dw1.bit(25) }
    set { dw1.setBit(25, newValue) }
  }

  /// S1STALLD, dw1 bit 27: stage 1 may not stall.
  public var s1STALLD: Bool {
    get { dw1.bit(27) }
    set { dw1.setBit(27, newValue) }
  }

  /// EATS, dw1 bits 29:28: 0 no ATS, 1 full ATS, 2 split-stage ATS.
  public var eats: UInt64 {
    get { dw1.field(29, 28) }
    set { dw1.setField(29, 28, newValue) }
  }

  /// SHCFG, dw1 bits 45:44: 1 uses the incoming shareability.
  public var shCFG: UInt64 {
    get { dw1.field(45, 44) }
    set { dw1.setField(45, 44, newValue) }
  }

  /// S2VMID, dw2 bits 15:0.
  public var s2VMID: UInt64 {
    get { dw2.field(15, 0) }
    set { dw2.setField(15, 0, newValue) }
  }

  /// S2T0SZ, dw2 bits 37:32: 64 less the width of stage 2's input.
  public var s2T0SZ: UInt64 {
    get { dw2.field(37, 32) }
    set { dw2.setField(37, 32, newValue) }
  }

  /// S2SL0, dw2 bits 39:38: where stage 2's walk starts.
  public var s2SL0: UInt64 {
    get { dw2.field(39, 38) }
    set { dw2.setField(39, 38, newValue) }
  }

  /// S2IR0, S2OR0 and S2SH0, dw2 bits 45:40: how stage 2's tables are cached.
  public var s2TableAttributes: UInt64 {
    get { dw2.field(45, 40) }
    set { dw2.setField(45, 40, newValue) }
  }

  /// S2TG, dw2 bits 47:46: 0 for 4 KiB, 1 for 64 KiB, 2 for 16 KiB granules.
  public var s2TG: UInt64 {
    get { dw2.field(47, 46) }
    set { dw2.setField(47, 46, newValue) }
  }

  /// S2PS, dw2 bits 50:48: the code of stage 2's output width.
  public var s2PS: UInt64 {
    get { dw2.field(50, 48) }
    set { dw2.setField(50, 48, newValue) }
  }

  /// S2AA64, dw2 bit 51: AArch64 tables.
  public var s2AA64: Bool {
    get { dw2.bit(51) }
    set { dw2.setBit(51, newValue) }
  }

  /// S2PTW, dw2 bit 54: stage 1's tables may not lie in device memory.
  public var s2PTW: Bool {
    get { dw2.bit(54) }
    set { dw2.setBit(54, newValue) }
  }

  /// S2S, dw2 bit 57: stage 2 stalls on a fault.
  public var s2S: Bool {
    get { dw2.bit(57) }
    set { dw2.setBit(57, newValue) }
  }

  /// S2R, dw2 bit 58: stage 2 records a fault.
  public var s2R: Bool {
    get { dw2.bit(58) }
    set { dw2.setBit(58, newValue) }
  }

  /// S2TTB, dw3 bits 51:4, as an address.
  public var s2TTB: UInt64 {
    get { dw3.field(51, 4) << 4 }
    set { dw3.setField(51, 4, newValue >> 4) }
  }
}

extension StreamTableEntry {
  /// The bits of dw0 that a guest may set: V, Config, S1Fmt, S1ContextPtr, S1CDMax
  /// (`STRTAB_STE_0_NESTING_ALLOWED`).
  public static let guestMask0: UInt64 = 0xf80f_ffff_ffff_ffff
  /// The bits of dw1 that a guest may set: S1DSS, S1CIR, S1COR, S1CSH, S1STALLD, EATS
  /// (`STRTAB_STE_1_NESTING_ALLOWED`).
  public static let guestMask1: UInt64 = 0x3800_00ff
}
