// SPDX-License-Identifier: Apache-2.0

/// A stream table entry (STE): eight 64-bit words that say what is done with a stream's
/// transactions (IHI 0070, section 5.2; `struct arm_smmu_ste`). Its fields have the names of the
/// specification, and their values are those of the bits: a value that is too great for its field
/// is cut off.
public struct StreamTableEntry: Sendable, Equatable {
  /// What is done with a stream's transactions (`Config`, dw0 bits 3:1). This is not an
  /// enumeration, because a guest may write any of the eight values.
  public struct Config: RawRepresentable, Sendable, Equatable {
    /// The value of Config in the entry, 0 to 7.
    public let rawValue: UInt64
    /// A Config by its value, of which only the three lowest bits are taken.
    public init(rawValue: UInt64) { self.rawValue = rawValue & 7 }

    /// All transactions are aborted, and no event is recorded.
    public static let abort = Config(rawValue: 0)
    /// Transactions go on untranslated.
    public static let bypass = Config(rawValue: 4)
    /// Only stage 1 translates.
    public static let stage1 = Config(rawValue: 5)
    /// Only stage 2 translates.
    public static let stage2 = Config(rawValue: 6)
    /// Stage 1 translates, and then stage 2 translates what stage 1 gives.
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
  // The upper half only has fields of other security states and of features that are not emulated.
  /// Bits 319 to 256 of the entry.
  public var dw4: UInt64 = 0
  /// Bits 383 to 320 of the entry.
  public var dw5: UInt64 = 0
  /// Bits 447 to 384 of the entry.
  public var dw6: UInt64 = 0
  /// Bits 511 to 448 of the entry.
  public var dw7: UInt64 = 0

  /// An entry by its first four words. The other four are zero.
  public init(dw0: UInt64 = 0, dw1: UInt64 = 0, dw2: UInt64 = 0, dw3: UInt64 = 0) {
    self.dw0 = dw0
    self.dw1 = dw1
    self.dw2 = dw2
    self.dw3 = dw3
  }

  /// The eight words, in the order in which they are in memory.
  public var words: [UInt64] { [dw0, dw1, dw2, dw3, dw4, dw5, dw6, dw7] }

  /// V, dw0 bit 0: whether the entry is valid. A transaction that meets one that is not gives
  /// C_BAD_STE.
  public var isValid: Bool {
    get { dw0.bit(0) }
    set { dw0.setBit(0, newValue) }
  }

  /// Config, dw0 bits 3:1: what is done with the stream's transactions.
  public var config: Config {
    get { Config(rawValue: dw0.field(3, 1)) }
    set { dw0.setField(3, 1, newValue.rawValue) }
  }

  /// S1Fmt, dw0 bits 5:4: the format of the table of context descriptors. 0 is a linear table, 1
  /// one of two levels whose second-level tables have 4 KiB, 2 one whose second-level tables have
  /// 64 KiB.
  public var s1Fmt: UInt64 {
    get { dw0.field(5, 4) }
    set { dw0.setField(5, 4, newValue) }
  }

  /// S1ContextPtr, dw0 bits 51:6: the address of the context descriptor or of the table of them. It
  /// is an address in bytes; its lowest six bits are zero.
  public var s1ContextPtr: UInt64 {
    get { dw0.field(51, 6) << 6 }
    set { dw0.setField(51, 6, newValue >> 6) }
  }

  /// S1CDMax, dw0 bits 63:59: the logarithm of the number of context descriptors. 0 means one, and
  /// no substreams.
  public var s1CDMax: UInt64 {
    get { dw0.field(63, 59) }
    set { dw0.setField(63, 59, newValue) }
  }

  /// S1DSS, dw1 bits 1:0: what is done with a transaction that has no substream, where there are
  /// substreams: 0 terminates it, 1 skips stage 1, 2 uses context descriptor 0.
  public var s1DSS: UInt64 {
    get { dw1.field(1, 0) }
    set { dw1.setField(1, 0, newValue) }
  }

  /// S1CIR, dw1 bits 3:2: the inner cacheability of fetches of context descriptors. It has no
  /// effect here.
  public var s1CIR: UInt64 {
    get { dw1.field(3, 2) }
    set { dw1.setField(3, 2, newValue) }
  }

  /// S1COR, dw1 bits 5:4: the outer cacheability of fetches of context descriptors. It has no
  /// effect here.
  public var s1COR: UInt64 {
    get { dw1.field(5, 4) }
    set { dw1.setField(5, 4, newValue) }
  }

  /// S1CSH, dw1 bits 7:6: the shareability of fetches of context descriptors. It has no effect
  /// here.
  public var s1CSH: UInt64 {
    get { dw1.field(7, 6) }
    set { dw1.setField(7, 6, newValue) }
  }

  /// MEV, dw1 bit 19: the SMMU may merge events that are alike. Here each event is recorded by
  /// itself.
  public var mev: Bool {
    get { dw1.bit(19) }
    set { dw1.setBit(19, newValue) }
  }

  /// S2FWB, dw1 bit 25: the memory attributes in stage 2's descriptors have the meaning that can
  /// force write-back. It counts only with IDR3.FWB.
  public var s2FWB: Bool {
    get { dw1.bit(25) }
    set { dw1.setBit(25, newValue) }
  }

  /// S1STALLD, dw1 bit 27: faults of stage 1 must not stall.
  public var s1STALLD: Bool {
    get { dw1.bit(27) }
    set { dw1.setBit(27, newValue) }
  }

  /// EATS, dw1 bits 29:28: whether the device may use ATS. 0 is no ATS, 1 full ATS, 2 split-stage
  /// ATS, in which the device gets the results of stage 1 alone.
  public var eats: UInt64 {
    get { dw1.field(29, 28) }
    set { dw1.setField(29, 28, newValue) }
  }

  /// SHCFG, dw1 bits 45:44: the shareability of transactions; 1 uses the incoming one. It has no
  /// effect here.
  public var shCFG: UInt64 {
    get { dw1.field(45, 44) }
    set { dw1.setField(45, 44, newValue) }
  }

  /// S2VMID, dw2 bits 15:0: the VMID that cached translations are tagged with.
  public var s2VMID: UInt64 {
    get { dw2.field(15, 0) }
    set { dw2.setField(15, 0, newValue) }
  }

  /// S2T0SZ, dw2 bits 37:32: 64 less the number of bits of an intermediate address, stage 2's
  /// input.
  public var s2T0SZ: UInt64 {
    get { dw2.field(37, 32) }
    set { dw2.setField(37, 32, newValue) }
  }

  /// S2SL0, dw2 bits 39:38: the level at which stage 2's walk starts. With 4 KiB granules it is 2
  /// less this value, with others 3 less this value.
  public var s2SL0: UInt64 {
    get { dw2.field(39, 38) }
    set { dw2.setField(39, 38, newValue) }
  }

  /// S2IR0, S2OR0 and S2SH0, dw2 bits 45:40: the cacheability and shareability of reads of stage
  /// 2's tables. They have no effect here.
  public var s2TableAttributes: UInt64 {
    get { dw2.field(45, 40) }
    set { dw2.setField(45, 40, newValue) }
  }

  /// S2TG, dw2 bits 47:46: the granule of stage 2's tables. 0 is 4 KiB, 1 is 64 KiB, 2 is 16 KiB.
  public var s2TG: UInt64 {
    get { dw2.field(47, 46) }
    set { dw2.setField(47, 46, newValue) }
  }

  /// S2PS, dw2 bits 50:48: the code of the number of bits of stage 2's output
  /// (`SMMUv3Features.outputSizes`).
  public var s2PS: UInt64 {
    get { dw2.field(50, 48) }
    set { dw2.setField(50, 48, newValue) }
  }

  /// S2AA64, dw2 bit 51: stage 2's tables are AArch64's, the only ones that the SMMU takes here.
  public var s2AA64: Bool {
    get { dw2.bit(51) }
    set { dw2.setBit(51, newValue) }
  }

  /// S2PTW, dw2 bit 54: a read of stage 1's tables or context descriptors faults where stage 2 maps
  /// device memory.
  public var s2PTW: Bool {
    get { dw2.bit(54) }
    set { dw2.setBit(54, newValue) }
  }

  /// S2S, dw2 bit 57: a transaction that faults in stage 2 is stalled.
  public var s2S: Bool {
    get { dw2.bit(57) }
    set { dw2.setBit(57, newValue) }
  }

  /// S2R, dw2 bit 58: faults of stage 2 are recorded.
  public var s2R: Bool {
    get { dw2.bit(58) }
    set { dw2.setBit(58, newValue) }
  }

  /// S2TTB, dw3 bits 51:4: the address of stage 2's first table. It is an address in bytes; its
  /// lowest four bits are zero.
  public var s2TTB: UInt64 {
    get { dw3.field(51, 4) << 4 }
    set { dw3.setField(51, 4, newValue >> 4) }
  }
}

extension StreamTableEntry {
  /// The bits of dw0 that a guest may set in its entry: V, Config, S1Fmt, S1ContextPtr, S1CDMax
  /// (`STRTAB_STE_0_NESTING_ALLOWED`).
  public static let guestMask0: UInt64 = 0xf80f_ffff_ffff_ffff
  /// The bits of dw1 that a guest may set in its entry: S1DSS, S1CIR, S1COR, S1CSH, S1STALLD, EATS
  /// (`STRTAB_STE_1_NESTING_ALLOWED`).
  public static let guestMask1: UInt64 = 0x3800_00ff
}
