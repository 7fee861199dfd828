// SPDX-License-Identifier: Apache-2.0

/// These fields are read by the hardware only. Linux's driver leaves them zero or sets them once.
extension StreamTableEntry {
  /// The bytes of an entry in memory.
  public static let byteCount: UInt64 = 64

  /// An entry by its words.
  ///
  /// - Parameter words: the first of the eight words; those that are missing are zero.
  public init(words: [UInt64]) {
    func word(_ index: Int) -> UInt64 { index < words.count ? words[index] : 0 }
    self.init(dw0: word(0), dw1: word(1), dw2: word(2), dw3: word(3))
    dw4 = word(4)
    dw5 = word(5)
    dw6 = word(6)
    dw7 = word(7)
  }

  /// STRW, dw1 bits 31:30: the translation regime of stage 1. 0 is EL1's, 2 is EL2's.
  public var strw: UInt64 {
    get { dw1.field(31, 30) }
    set { dw1.setField(31, 30, newValue) }
  }

  /// S2ENDI, dw2 bit 52: stage 2's tables are big-endian, which the SMMU does not take here.
  public var s2ENDI: Bool {
    get { dw2.bit(52) }
    set { dw2.setBit(52, newValue) }
  }

  /// S2AFFD, dw2 bit 53: a clear access flag in stage 2's descriptors is no fault.
  public var s2AFFD: Bool {
    get { dw2.bit(53) }
    set { dw2.setBit(53, newValue) }
  }

  /// S2HD, dw2 bit 55: the hardware keeps the dirty state in stage 2's descriptors. It needs S2HA
  /// too.
  public var s2HD: Bool {
    get { dw2.bit(55) }
    set { dw2.setBit(55, newValue) }
  }

  /// S2HA, dw2 bit 56: the hardware sets the access flags of stage 2's descriptors.
  public var s2HA: Bool {
    get { dw2.bit(56) }
    set { dw2.setBit(56, newValue) }
  }

  /// Whether stage 1 translates: Config bit 0 is set, and bit 2, which lets transactions pass.
  public var translatesStage1: Bool { dw0.field(3, 3) == 1 && dw0.field(1, 1) == 1 }
  /// Whether stage 2 translates: Config bit 1 is set, and bit 2, which lets transactions pass.
  public var translatesStage2: Bool { dw0.field(3, 3) == 1 && dw0.field(2, 2) == 1 }
}
