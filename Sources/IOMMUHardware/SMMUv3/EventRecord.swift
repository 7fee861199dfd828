// SPDX-License-Identifier: Apache-2.0

/// A record of the SMMU's event queue: four 64-bit words (IHI 0070, section 7.3).
public struct EventRecord: Sendable, Equatable {
  /// What happened (dw0 bits 7:0). Open: hardware may report what this file does not name.
  public struct ID: RawRepresentable, Sendable, Equatable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let uut = ID(rawValue: 0x01)
    public static let badStreamID = ID(rawValue: 0x02)
    public static let steFetch = ID(rawValue: 0x03)
    public static let badSTE = ID(rawValue: 0x04)
    public static let badATSTReq = ID(rawValue: 0x05)
    public static let streamDisabled = ID(rawValue: 0x06)
    public static let translForbidden = ID(rawValue: 0x07)
    public static let badSubstreamID = ID(rawValue: 0x08)
    public static let cdFetch = ID(rawValue: 0x09)
    public static let badCD = ID(rawValue: 0x0a)
    public static let walkEABT = ID(rawValue: 0x0b)
    public static let translation = ID(rawValue: 0x10)
    public static let addrSize = ID(rawValue: 0x11)
    public static let access = ID(rawValue: 0x12)
    public static let permission = ID(rawValue: 0x13)
    public static let tlbConflict = ID(rawValue: 0x20)
    public static let cfgConflict = ID(rawValue: 0x21)
    public static let pageRequest = ID(rawValue: 0x24)
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

  public static let wordCount = 4

  public var dw0: UInt64
  public var dw1: UInt64
  public var dw2: UInt64
  public var dw3: UInt64

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

  public var words: [UInt64] { [dw0, dw1, dw2, dw3] }

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
