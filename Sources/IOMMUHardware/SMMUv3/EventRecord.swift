// SPDX-License-Identifier: Apache-2.0

/// A record of the SMMU's event queue: four 64-bit words that say what happened to a transaction
/// (IHI 0070, section 7.3).
public struct EventRecord: Sendable, Equatable {
  /// What happened (dw0 bits 7:0). This is not an enumeration, because hardware may report events
  /// that this file does not name.
  public struct ID: RawRepresentable, Sendable, Equatable, Hashable {
    /// The event's number, 0 to 255.
    public let rawValue: UInt8
    /// An event by its number, which may be one without a name.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// F_UUT: the transaction is of a kind that the SMMU does not take.
    public static let uut = ID(rawValue: 0x01)
    /// C_BAD_STREAMID: the stream ID is beyond the end of the stream table.
    public static let badStreamID = ID(rawValue: 0x02)
    /// F_STE_FETCH: the stream table entry could not be read.
    public static let steFetch = ID(rawValue: 0x03)
    /// C_BAD_STE: the stream table entry is not valid, or something in it is illegal.
    public static let badSTE = ID(rawValue: 0x04)
    /// F_BAD_ATS_TREQ: the stream may not make ATS Translation Requests.
    public static let badATSTReq = ID(rawValue: 0x05)
    /// F_STREAM_DISABLED: the transaction has no substream, and the stream only takes those that
    /// have one (S1DSS 0).
    public static let streamDisabled = ID(rawValue: 0x06)
    /// F_TRANSL_FORBIDDEN: the stream may not send translated transactions.
    public static let translForbidden = ID(rawValue: 0x07)
    /// C_BAD_SUBSTREAMID: there is no context descriptor for the substream ID.
    public static let badSubstreamID = ID(rawValue: 0x08)
    /// F_CD_FETCH: the context descriptor could not be read.
    public static let cdFetch = ID(rawValue: 0x09)
    /// C_BAD_CD: the context descriptor is not valid, or something in it is illegal.
    public static let badCD = ID(rawValue: 0x0a)
    /// F_WALK_EABT: a translation table could not be read.
    public static let walkEABT = ID(rawValue: 0x0b)
    /// F_TRANSLATION: nothing is mapped at the address.
    public static let translation = ID(rawValue: 0x10)
    /// F_ADDR_SIZE: an address has more bits than a stage takes or gives.
    public static let addrSize = ID(rawValue: 0x11)
    /// F_ACCESS: the access flag of the mapping is clear.
    public static let access = ID(rawValue: 0x12)
    /// F_PERMISSION: the mapping does not allow this access.
    public static let permission = ID(rawValue: 0x13)
    /// F_TLB_CONFLICT: two cached translations contradict each other.
    public static let tlbConflict = ID(rawValue: 0x20)
    /// F_CFG_CONFLICT: two cached configurations contradict each other.
    public static let cfgConflict = ID(rawValue: 0x21)
    /// E_PAGE_REQUEST: a hint that a page will be needed.
    public static let pageRequest = ID(rawValue: 0x24)
    /// F_VMS_FETCH: the virtual machine structure (VMS) could not be read.
    public static let vmsFetch = ID(rawValue: 0x25)

    /// The names that the specification has for the events.
    private static let names: [UInt8: String] = [
      0x01: "F_UUT", 0x02: "C_BAD_STREAMID", 0x03: "F_STE_FETCH", 0x04: "C_BAD_STE",
      0x05: "F_BAD_ATS_TREQ", 0x06: "F_STREAM_DISABLED", 0x07: "F_TRANSL_FORBIDDEN",
      0x08: "C_BAD_SUBSTREAMID", 0x09: "F_CD_FETCH", 0x0a: "C_BAD_CD", 0x0b: "F_WALK_EABT",
      0x10: "F_TRANSLATION", 0x11: "F_ADDR_SIZE", 0x12: "F_ACCESS", 0x13: "F_PERMISSION",
      0x20: "F_TLB_CONFLICT", 0x21: "F_CFG_CONFLICT", 0x24: "E_PAGE_REQUEST",
      0x25: "F_VMS_FETCH",
    ]

    /// The name that the specification has for the event; `UNKNOWN` if it has none.
    public var name: String { ID.names[rawValue] ?? "UNKNOWN" }
  }

  /// The number of 64-bit words of a record.
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

  /// A record by its words.
  ///
  /// - Parameter words: at least four, of which the first four are taken.
  public init(words: [UInt64]) {
    self.init(dw0: words[0], dw1: words[1], dw2: words[2], dw3: words[3])
  }

  /// The four words, in the order in which they are in memory.
  public var words: [UInt64] { [dw0, dw1, dw2, dw3] }

  /// What happened, dw0 bits 7:0.
  public var id: ID { ID(rawValue: UInt8(truncatingIfNeeded: dw0.field(7, 0))) }

  /// SSV, dw0 bit 11: whether the transaction had a substream ID, and `substreamID` says which.
  public var hasSubstream: Bool { dw0.bit(11) }
  /// SSID, dw0 bits 31:12: the substream ID (PASID).
  public var substreamID: UInt32 { UInt32(truncatingIfNeeded: dw0.field(31, 12)) }

  /// SID, dw0 bits 63:32: the stream ID of the device.
  public var streamID: UInt32 {
    get { UInt32(truncatingIfNeeded: dw0.field(63, 32)) }
    set { dw0.setField(63, 32, UInt64(newValue)) }
  }

  /// STAG, dw1 bits 15:0: the tag by which a RESUME names the transaction, if it is stalled.
  public var stag: UInt32 { UInt32(truncatingIfNeeded: dw1.field(15, 0)) }
  /// STALL, dw1 bit 31: whether the transaction is stalled and waits for a RESUME.
  public var isStalled: Bool { dw1.bit(31) }
  /// PnU, dw1 bit 33: whether the access was privileged.
  public var isPrivileged: Bool { dw1.bit(33) }
  /// InD, dw1 bit 34: whether the access was an instruction fetch.
  public var isInstruction: Bool { dw1.bit(34) }
  /// RnW, dw1 bit 35: whether the access was a read, else it was a write.
  public var isRead: Bool { dw1.bit(35) }
  /// S2, dw1 bit 39: whether stage 2 found the fault, else stage 1 did.
  public var isStage2: Bool { dw1.bit(39) }
  /// The address that the device sent, dw2.
  public var address: UInt64 { dw2 }
}

extension EventRecord.ID {
  /// Whether it is one of the four faults that R, S and A of a stage govern. Their records have all
  /// fields.
  fileprivate var isTranslationRelated: Bool {
    self == .translation || self == .addrSize || self == .access || self == .permission
  }
}

extension EventRecord {
  /// CLASS, dw1 bits 41:40: what was being done when the fault came; nil for events that do not
  /// have the field.
  public var faultClass: TranslationFault.Class? {
    guard id.isTranslationRelated || id == .walkEABT else { return nil }
    return TranslationFault.Class(rawValue: dw1.field(41, 40))
  }

  /// IPA, dw3 bits 51:12: the intermediate address that stage 2 refused; nil if the fault is not
  /// one of stage 2's translation.
  public var intermediateAddress: UInt64? {
    id.isTranslationRelated && isStage2 ? dw3 & 0x000f_ffff_ffff_f000 : nil
  }

  /// FETCH_ADDR, dw3 bits 51:3: the physical address that the SMMU could not read; nil for events
  /// that do not have the field.
  public var fetchAddress: UInt64? {
    switch id {
    case .steFetch, .cdFetch, .vmsFetch, .walkEABT: dw3 & 0x000f_ffff_ffff_fff8
    default: nil
    }
  }
}
