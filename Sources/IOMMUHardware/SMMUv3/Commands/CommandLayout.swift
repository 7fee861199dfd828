// SPDX-License-Identifier: Apache-2.0

/// Where the fields of a kind of command are. Descriptions of commands are made with it.
public struct CommandLayout: Sendable {
  /// A field: a named range of bits of one of the two words.
  public struct Field: Sendable, Equatable {
    /// The name of the field, in lower case with underscores.
    public let name: String
    /// The word that the field is in: 0 or 1.
    public let word: Int
    /// The field's highest bit, at most 63.
    public let high: Int
    /// The field's lowest bit, not above `high`.
    public let low: Int
    /// Whether the field is a part of an address. Then its value is the word's bits where they are,
    /// not shifted down.
    public let isAddress: Bool

    /// The field's bits in the word.
    var mask: UInt64 { UInt64.ones(high - low + 1) << UInt64(low) }
  }

  /// The opcode of the commands that have this layout.
  public let opcode: Command.Opcode
  /// The command's name in the specification, without `CMD_`.
  public let name: String
  /// The command's fields in the order of their bits, those of the first word before those of the
  /// second.
  public let fields: [Field]

  /// All layouts, in the order of the opcodes.
  public static let all: [CommandLayout] = [
    CommandLayout(.prefetchConfig, "PREFETCH_CONFIG", [ssec, ssv, ssid, sid]),
    CommandLayout(
      .prefetchAddress, "PREFETCH_ADDR", [ssec, ssv, ssid, sid, field("size", 1, 4, 0), address]),
    CommandLayout(.cfgiSTE, "CFGI_STE", [ssec, sid, leaf]),
    CommandLayout(.cfgiSTERange, "CFGI_STE_RANGE", [ssec, sid, field("range", 1, 4, 0)]),
    CommandLayout(.cfgiCD, "CFGI_CD", [ssec, ssid, sid, leaf]),
    CommandLayout(.cfgiCDAll, "CFGI_CD_ALL", [ssec, sid]),
    CommandLayout(.tlbiNHAll, "TLBI_NH_ALL", [vmid]),
    CommandLayout(.tlbiNHASID, "TLBI_NH_ASID", [vmid, asid]),
    CommandLayout(.tlbiNHVA, "TLBI_NH_VA", [num, scale, vmid, asid, leaf, ttl, tg, address]),
    CommandLayout(.tlbiNHVAA, "TLBI_NH_VAA", [num, scale, vmid, leaf, ttl, tg, address]),
    CommandLayout(.tlbiEL3All, "TLBI_EL3_ALL", []),
    CommandLayout(.tlbiEL3VA, "TLBI_EL3_VA", [num, scale, leaf, ttl, tg, address]),
    CommandLayout(.tlbiEL2All, "TLBI_EL2_ALL", []),
    CommandLayout(.tlbiEL2ASID, "TLBI_EL2_ASID", [asid]),
    CommandLayout(.tlbiEL2VA, "TLBI_EL2_VA", [num, scale, asid, leaf, ttl, tg, address]),
    CommandLayout(.tlbiEL2VAA, "TLBI_EL2_VAA", [num, scale, leaf, ttl, tg, address]),
    CommandLayout(.tlbiS12VMAll, "TLBI_S12_VMALL", [vmid]),
    CommandLayout(
      .tlbiS2IPA, "TLBI_S2_IPA",
      [num, scale, vmid, leaf, ttl, tg, field("address", 1, 51, 12, isAddress: true)]),
    CommandLayout(.tlbiNSNHAll, "TLBI_NSNH_ALL", []),
    CommandLayout(
      .atcInv, "ATC_INV",
      [field("global", 0, 9, 9), ssec, ssv, ssid, sid, field("size", 1, 5, 0), address]),
    CommandLayout(
      .priResp, "PRI_RESP",
      [ssec, ssv, ssid, sid, field("group", 1, 8, 0), field("response", 1, 13, 12)]),
    CommandLayout(
      .resume, "RESUME", [ssec, field("response", 0, 13, 12), sid, field("stag", 1, 15, 0)]),
    CommandLayout(.stallTerm, "STALL_TERM", [ssec, sid]),
    CommandLayout(
      .sync, "SYNC",
      [
        field("completion", 0, 13, 12), field("msi_shareability", 0, 23, 22),
        field("msi_attributes", 0, 27, 24), field("msi_data", 0, 63, 32),
        field("msi_address", 1, 51, 2, isAddress: true),
      ]),
  ]

  private static let ssec = field("secure", 0, 10, 10)
  private static let ssv = field("substream_valid", 0, 11, 11)
  private static let ssid = field("substream_id", 0, 31, 12)
  private static let sid = field("stream_id", 0, 63, 32)
  private static let vmid = field("vmid", 0, 47, 32)
  private static let asid = field("asid", 0, 63, 48)
  private static let num = field("num", 0, 16, 12)
  private static let scale = field("scale", 0, 25, 20)
  private static let leaf = field("leaf", 1, 0, 0)
  private static let ttl = field("ttl", 1, 9, 8)
  private static let tg = field("tg", 1, 11, 10)
  private static let address = field("address", 1, 63, 12, isAddress: true)

  /// A field by its parts.
  private static func field(
    _ name: String, _ word: Int, _ high: Int, _ low: Int, isAddress: Bool = false
  ) -> Field {
    Field(name: name, word: word, high: high, low: low, isAddress: isAddress)
  }

  private init(_ opcode: Command.Opcode, _ name: String, _ fields: [Field]) {
    self.opcode = opcode
    self.name = name
    self.fields = fields
  }

  /// The layout of an opcode; nil if there is none.
  static func of(_ opcode: Command.Opcode) -> CommandLayout? {
    all.first { $0.opcode == opcode }
  }
}
