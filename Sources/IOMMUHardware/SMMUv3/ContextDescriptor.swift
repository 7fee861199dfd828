// SPDX-License-Identifier: Apache-2.0

/// A context descriptor (CD): eight 64-bit words that describe stage 1 of a substream (IHI 0070,
/// section 5.4). Its fields have the names of the specification, and their values are those of the
/// bits: a value that is too great for its field is cut off. Virtual addresses have two halves: the
/// lower one, whose upper bits are all zero, uses TTB0, and the upper one, whose upper bits are all
/// one, uses TTB1.
public struct ContextDescriptor: Sendable, Equatable {
  /// The bytes of a descriptor in memory.
  public static let byteCount: UInt64 = 64

  /// Bits 63 to 0 of the descriptor.
  public var dw0: UInt64
  /// Bits 127 to 64 of the descriptor.
  public var dw1: UInt64
  /// Bits 191 to 128 of the descriptor.
  public var dw2: UInt64
  /// Bits 255 to 192 of the descriptor.
  public var dw3: UInt64
  /// Bits 319 to 256 of the descriptor.
  public var dw4: UInt64

  /// A descriptor by its words. Those that are not given are zero.
  public init(
    dw0: UInt64 = 0, dw1: UInt64 = 0, dw2: UInt64 = 0, dw3: UInt64 = 0, dw4: UInt64 = 0
  ) {
    self.dw0 = dw0
    self.dw1 = dw1
    self.dw2 = dw2
    self.dw3 = dw3
    self.dw4 = dw4
  }

  /// The eight words, in the order in which they are in memory. The last three are reserved and
  /// zero.
  public var words: [UInt64] { [dw0, dw1, dw2, dw3, dw4, 0, 0, 0] }

  /// T0SZ, dw0 bits 5:0: 64 less the number of bits of the lower half's addresses.
  public var t0SZ: UInt64 {
    get { dw0.field(5, 0) }
    set { dw0.setField(5, 0, newValue) }
  }

  /// TG0, dw0 bits 7:6: the granule of the lower half's tables. 0 is 4 KiB, 1 is 64 KiB, 2 is 16
  /// KiB.
  public var tg0: UInt64 {
    get { dw0.field(7, 6) }
    set { dw0.setField(7, 6, newValue) }
  }

  /// IR0, OR0 and SH0, dw0 bits 13:8: the cacheability and shareability of reads of the lower
  /// half's tables. They have no effect here.
  public var tableAttributes0: UInt64 {
    get { dw0.field(13, 8) }
    set { dw0.setField(13, 8, newValue) }
  }

  /// EPD0, dw0 bit 14: the lower half has no tables, and each address in it faults.
  public var epd0: Bool {
    get { dw0.bit(14) }
    set { dw0.setBit(14, newValue) }
  }

  /// ENDI, dw0 bit 15: the tables are big-endian, which the SMMU does not take here.
  public var endi: Bool {
    get { dw0.bit(15) }
    set { dw0.setBit(15, newValue) }
  }

  /// T1SZ, dw0 bits 21:16: 64 less the number of bits of the upper half's addresses.
  public var t1SZ: UInt64 {
    get { dw0.field(21, 16) }
    set { dw0.setField(21, 16, newValue) }
  }

  /// TG1, dw0 bits 23:22: the granule of the upper half's tables. 1 is 16 KiB, 2 is 4 KiB, 3 is 64
  /// KiB; the codes differ from TG0's.
  public var tg1: UInt64 {
    get { dw0.field(23, 22) }
    set { dw0.setField(23, 22, newValue) }
  }

  /// EPD1, dw0 bit 30: the upper half has no tables, and each address in it faults.
  public var epd1: Bool {
    get { dw0.bit(30) }
    set { dw0.setBit(30, newValue) }
  }

  /// V, dw0 bit 31: whether the descriptor is valid. A transaction that meets one that is not gives
  /// C_BAD_CD.
  public var isValid: Bool {
    get { dw0.bit(31) }
    set { dw0.setBit(31, newValue) }
  }

  /// IPS, dw0 bits 34:32: the code of the number of bits of stage 1's output
  /// (`SMMUv3Features.outputSizes`).
  public var ips: UInt64 {
    get { dw0.field(34, 32) }
    set { dw0.setField(34, 32, newValue) }
  }

  /// AFFD, dw0 bit 35: a clear access flag is no fault.
  public var affd: Bool {
    get { dw0.bit(35) }
    set { dw0.setBit(35, newValue) }
  }

  /// WXN, dw0 bit 36: a page that can be written cannot be executed.
  public var wxn: Bool {
    get { dw0.bit(36) }
    set { dw0.setBit(36, newValue) }
  }

  /// UWXN, dw0 bit 37: a page that the unprivileged can write cannot be executed by the privileged.
  /// With AArch64's tables this is so in any case, and the bit has no effect here.
  public var uwxn: Bool {
    get { dw0.bit(37) }
    set { dw0.setBit(37, newValue) }
  }

  /// TBI, dw0 bits 39:38: bits 63:56 of an address are ignored. Bit 0 of the value is for the lower
  /// half, bit 1 for the upper one.
  public var tbi: UInt64 {
    get { dw0.field(39, 38) }
    set { dw0.setField(39, 38, newValue) }
  }

  /// PAN, dw0 bit 40: the privileged can neither read nor write pages that the unprivileged can
  /// use.
  public var pan: Bool {
    get { dw0.bit(40) }
    set { dw0.setBit(40, newValue) }
  }

  /// AA64, dw0 bit 41: the tables are AArch64's, the only ones that the SMMU takes here.
  public var aa64: Bool {
    get { dw0.bit(41) }
    set { dw0.setBit(41, newValue) }
  }

  /// HD, dw0 bit 42: the hardware keeps the dirty state in the descriptors. It needs HA too.
  public var hd: Bool {
    get { dw0.bit(42) }
    set { dw0.setBit(42, newValue) }
  }

  /// HA, dw0 bit 43: the hardware sets the access flags of the descriptors.
  public var ha: Bool {
    get { dw0.bit(43) }
    set { dw0.setBit(43, newValue) }
  }

  /// S, dw0 bit 44: a transaction that faults in stage 1 is stalled.
  public var s: Bool {
    get { dw0.bit(44) }
    set { dw0.setBit(44, newValue) }
  }

  /// R, dw0 bit 45: faults of stage 1 are recorded.
  public var r: Bool {
    get { dw0.bit(45) }
    set { dw0.setBit(45, newValue) }
  }

  /// A, dw0 bit 46: a transaction that is terminated is aborted. If the bit is clear, its reads
  /// give zero and its writes have no effect.
  public var a: Bool {
    get { dw0.bit(46) }
    set { dw0.setBit(46, newValue) }
  }

  /// ASET, dw0 bit 47: the ASID is not one that is shared with the processors. It has no effect
  /// here.
  public var aset: Bool {
    get { dw0.bit(47) }
    set { dw0.setBit(47, newValue) }
  }

  /// ASID, dw0 bits 63:48: the address space that cached translations are tagged with. Without
  /// IDR0.ASID16 it must be below 256.
  public var asid: UInt64 {
    get { dw0.field(63, 48) }
    set { dw0.setField(63, 48, newValue) }
  }

  /// TTB0, dw1 bits 51:4: the address of the lower half's first table. It is an address in bytes;
  /// its lowest four bits are zero.
  public var ttb0: UInt64 {
    get { dw1.field(51, 4) << 4 }
    set { dw1.setField(51, 4, newValue >> 4) }
  }

  /// HAD0, dw1 bit 1: the attributes in the lower half's table descriptors do not count. It needs
  /// IDR3.HAD.
  public var had0: Bool {
    get { dw1.bit(1) }
    set { dw1.setBit(1, newValue) }
  }

  /// TTB1, dw2 bits 51:4: the address of the upper half's first table. It is an address in bytes;
  /// its lowest four bits are zero.
  public var ttb1: UInt64 {
    get { dw2.field(51, 4) << 4 }
    set { dw2.setField(51, 4, newValue >> 4) }
  }

  /// HAD1, dw2 bit 1: the attributes in the upper half's table descriptors do not count. It needs
  /// IDR3.HAD.
  public var had1: Bool {
    get { dw2.bit(1) }
    set { dw2.setBit(1, newValue) }
  }

  /// MAIR, dw3: the memory attributes that the index in a page's descriptor selects. They have no
  /// effect here.
  public var mair: UInt64 {
    get { dw3 }
    set { dw3 = newValue }
  }
}
