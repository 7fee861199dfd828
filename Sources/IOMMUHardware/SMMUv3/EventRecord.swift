// SPDX-License-Identifier: Apache-2.0

/// A record of the SMMU's event queue: four 64-bit words (IHI 0070, section 7.3).
public struct EventRecord: Sendable, Equatable {
  /// What happened (dw0 bits 7:0). Open: hardware may report what this file does not name.
  public struct ID: RawRepresentable, Sendable, Equatable, Hashable {
    /// The event's number.
    public let rawValue: UInt8
    /// An event by its number, which need not be one that has a name.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// F_UUT: an unsupported upstream transaction.
    public static let uut = ID(rawValue: 0x01)
    /// C_BAD_STREAMID: the stream table has no place for the stream.
    public static let badStreamID = ID(rawValue: 0x02)
    /// F_STE_FETCH: the entry could not be read.
    public static let steFetch = ID(rawValue: 0x03)
    /// C_BAD_STE: the entry is invalid or contradicts itself.
    public static let badSTE = ID(rawValue: 0x04)
    /// F_BAD_ATS_TREQ: a translation request of a stream that may not make any.
    public static let badATSTReq = ID(rawValue: 0x05)
    /// F_STREAM_DISABLED: a transaction without a substream where only those with one are taken
    /// (S1DSS).
    public static let streamDisabled = ID(rawValue: 0x06)
    /// F_TRANSL_FORBIDDEN: a translated transaction of a stream that may not send any.
    public static let translForbidden = ID(rawValue: 0x07)
    /// C_BAD_SUBSTREAMID: the table of context descriptors has no place for the substream.
    public static let badSubstreamID = ID(rawValue: 0x08)
    /// F_CD_FETCH: the context descriptor could not be read.
    public static let cdFetch = ID(rawValue: 0x09)
    /// C_BAD_CD: the context descriptor is invalid or contradicts itself.
    public static let badCD = ID(rawValue: 0x0a)
    /// F_WALK_EABT: a translation table could not be read.
    public static let walkEABT = ID(rawValue: 0x0b)
    /// F_TRANSLATION: nothing is mapped at the address.
    public static let translation = ID(rawValue: 0x10)
    /// F_ADDR_SIZE: an address has more bits than the stage puts out.
    public static let addrSize = ID(rawValue: 0x11)
    /// F_ACCESS: the access flag is clear.
    public static let access = ID(rawValue: 0x12)
    /// F_PERMISSION: the mapping does not allow it.
    public static let permission = ID(rawValue: 0x13)
    /// F_TLB_CONFLICT: two cached translations contradict each other.
    public static let tlbConflict = ID(rawValue: 0x20)
    /// F_CFG_CONFLICT: two cached configurations contradict each other.
    public static let cfgConflict = ID(rawValue: 0x21)
    /// E_PAGE_REQUEST: a hint that a page will be wanted.
    public static let pageRequest = ID(rawValue: 0x24)
    /// F_VMS_FETCH: the VMS could not be read.
    public static let vmsFetch = ID(rawValue: 0x25)

    private static let names: [UInt8: String] = [
      0x01: "F_UUT", 0x02: "C_BAD_STREAMID", 0x03: "F_STE_FETCH", 0x04: "C_BAD_STE",
      0x05: "F_BAD_ATS_TREQ", 0x06: "F_STREAM_DISABLED", 0x07: "F_TRANSL_FORBIDDEN",
      0x08: "C_BAD_SUBSTREAMID", 0x09: "F_CD_FETCH", 0x0a: "C_BAD_CD", 0x0b: "F_WALK_EABT",
      0x10: "F_TRANSLATION", 0x11: "F_ADDR_SIZE", 0x12: "F_ACCESS", 0x13: "F_PERMISSION",
      0x20: "F_TLB_CONFLICT", 0x21: "F_CFG_CONFLICT", 0x24: "E_PAGE_REQUEST",
      0x25: "F_VMS_FETCH",
    ]

    /// The name that the specification has for the event; `UNKNOWN` where it has none.
    public var name: String { ID.names[rawValue] ?? "UNKNOWN" }
  }

  /// Words of a record.
  public static let wordCount = 4

  /// Bits 63 to 0 of the record.
  public var dw0: UInt64
  /// Bits 127 to 64 of the record.
  public var dw1: UInt64
  /// Bits 191 to 128 of the record.
  public var dw2: UInt64
  /// Bits 255 to 192 of the record.
  public var dw3: UInt64

  /// A record by its words.
  public init(dw0: UInt64 = 0, dw1: UInt64 = 0, dw2: UInt64 = 0, dw3: UInt64 = 0) {
    self.dw0 = dw0
    self.dw1 = dw1
    self.dw2 = dw2
    self.dw3 = dw3
  }

  /// - Parameter words: four of them.
  public init(words: [UInt64]) {
    self.init(dw0: words[0], dw1: words[1], dw2: words[2], dw3: words[3])
  }

  /// The four words, as they are in memory.
  public var words: [UInt64] { [dw0, dw1, dw2, dw3] }

  /// What happened.
  public var id: ID { ID(rawValue: UInt8(truncatingIfNeeded: dw0.field(7, 0))) }

  /// SSV, dw0 bit 11: whether the substream ID counts.
  public var hasSubstream: Bool { dw0.bit(11) }
  /// SSID, dw0 bits 31:12.
  public var substreamID: UInt32 { UInt32(truncatingIfNeeded: dw0.field(31, 12)) }

  /// SID, dw0 bits 63:32.
  public var streamID: UInt32 {
    get { UInt32(truncatingIfNeeded: dw0.field(63, 32)) }
    set { dw0.setField(63, 32, UInt64(newValue)) }
  }

  /// STAG, dw1 bits 15:0: what a RESUME names.
  public var stag: UInt32 { UInt32(truncatingIfNeeded: dw1.field(15, 0)) }
  /// STALL, dw1 bit 31: the transaction waits for an answer.
  public var isStalled: Bool { dw1.bit(31) }
  /// PnU, dw1 bit 33.
  public var isPrivileged: Bool { dw1.bit(33) }
  /// InD, dw1 bit 34.
  public var isInstruction: Bool { dw1.bit(34) }
  /// RnW, dw1 bit 35.
  public var isRead: Bool { dw1.bit(35) }
  /// S2, dw1 bit 39: the fault is stage 2's.
  public var isStage2: Bool { dw1.bit(39) }
  /// The input address, dw2.
  public var address: UInt64 { dw2 }
}

extension EventRecord.ID {
  /// Whether it is one of the four that R, S and A govern, with all that a record can say.
  fileprivate var isTranslationRelated: Bool {
    self == .translation || self == .addrSize || self == .access || self == .permission
  }
}

extension EventRecord {
  /// CLASS, dw1 bits 41:40: what was being done; nil for events without it.
  public var faultClass: TranslationFault.Class? {
    guard id.isTranslationRelated || id == .walkEABT else { return nil }
    return TranslationFault.Class(rawValue: dw1.field(41, 40))
  }

  /// IPA, dw3 bits 51:12: what stage 2 refused; nil where stage 2 refused nothing.
  public var intermediateAddress: UInt64? {
    id.isTranslationRelated && isStage2 ? dw3 & 0x000f_ffff_ffff_f000 : nil
  }

  /// FETCH_ADDR, dw3 bits 51:3: where the SMMU could not read; nil for events without it.
  public var fetchAddress: UInt64? {
    switch id {
    case .steFetch, .cdFetch, .vmsFetch, .walkEABT: dw3 & 0x000f_ffff_ffff_fff8
    default: nil
    }
  }
}
