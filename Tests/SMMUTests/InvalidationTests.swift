// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Testing

/// A guest's invalidations over the API, and the exact words on the host's queue.
@Suite("A guest's commands become the host's") struct InvalidationTests {
  private static let sync: [UInt64] = Command.sync.words

  /// A guest whose VMID is 3, because two parents came before.
  private static func lab(_ features: String = "", _ device: String = "") throws -> Lab {
    let lab = try Lab(features).plug(device)
    for parent in ["p1", "p2"] { try lab.makeParent(parent) }
    try lab.makeParent("s2")
    #expect(try lab.get("domains/s2")["hardware"]["vmid"].int == 3)
    try lab.make("viommus", #""id":"v0","type":"arm-smmuv3","device":"gpu0","domain":"s2""#)
    try lab.makeVDev()
    try lab.mark()
    return lab
  }

  struct Case: Sendable, CustomStringConvertible {
    let description: String
    let guest: [UInt64]
    /// nil is EIO.
    let host: [UInt64]?
    var features = ""

    init(_ claim: String, _ guest: [UInt64], _ host: [UInt64]?, _ features: String = "") {
      description = claim
      self.guest = guest
      self.host = host
      self.features = features
    }
  }

  static let cases: [Case] = translations + configuration

  private static let translations = [
    Case("60. NH_ASID gets the VMID", [0x0005_0009_0000_0011, 0], [0x0005_0003_0000_0011, 0]),
    Case("61. NSNH_ALL becomes NH_ALL", [0x30, 0], [0x0000_0003_0000_0010, 0]),
    Case("61. NSNH_ALL with a VMID", [0x0000_0009_0000_0030, 0], nil),
    Case("NH_ALL gets the VMID", [0x0000_0009_0000_0010, 0], [0x0000_0003_0000_0010, 0]),
    Case(
      "NH_VA keeps its range and address", [0x0005_0009_0020_3012, 0xffff_0000_1234_5701],
      [0x0005_0003_0020_3012, 0xffff_0000_1234_5701]),
    Case(
      "NH_VAA keeps its address", [0x0000_0009_0000_0013, 0x1000],
      [0x0000_0003_0000_0013, 0x1000]),
    Case("102. NH_VAA with an ASID", [0x0001_0009_0000_0013, 0x1000], nil),
    Case("102. NH_ASID with a second word", [0x0005_0009_0000_0011, 1], nil),
    Case("102. SSec", [0x0005_0009_0000_0411, 0], nil),
    Case("103. an ASID of 9 bits", [0x0100_0009_0000_0011, 0], nil, #""asid16":false"#),
    Case(
      "103. an ASID of 8 bits", [0x00ff_0009_0000_0011, 0], [0x00ff_0003_0000_0011, 0],
      #""asid16":false"#),
    Case("104. no RIL: TG", [0x0005_0009_0000_0012, 0x1400], nil, #""ril":false"#),
    Case("104. TG 0 with SCALE", [0x0005_0009_0010_0012, 0x1000], nil),
    Case("104. TG 1 alone", [0x0005_0009_0000_0012, 0x1400], nil),
    Case(
      "104. TG 1 with TTL 3", [0x0005_0009_0000_0012, 0x1700], [0x0005_0003_0000_0012, 0x1700]),
    Case("104. TG 2 with TTL 1", [0x0005_0009_0000_1012, 0x1900], nil),
    Case("104. SCALE 32 without DS", [0x0005_0009_0200_0012, 0x1400], nil),
    Case(
      "104. SCALE 32 with DS", [0x0005_0009_0200_0012, 0x1400], [0x0005_0003_0200_0012, 0x1400],
      #""ds":true"#),
  ]

  private static let configuration = [
    Case("62. CFGI_CD gets the stream", [0x0000_0010_0000_0005, 1], [0x0000_0042_0000_0005, 1]),
    Case(
      "62. CFGI_CD keeps the substream", [0x0000_0010_0000_7005, 0], [0x0000_0042_0000_7005, 0]),
    Case(
      "62. CFGI_CD with a substream and no room", [0x0000_0010_0000_7005, 0], nil,
      #""ssidsize":0"#),
    Case("62. CFGI_CD with SSV", [0x0000_0010_0000_0805, 1], nil),
    Case("CFGI_CD of a stranger", [0x0000_0011_0000_0005, 1], nil),
    Case("100. CFGI_CD of nobody", [0xffff_ffff_0000_0005, 1], nil),
    Case("CFGI_CD_ALL gets the stream", [0x0000_0010_0000_0006, 0], [0x0000_0042_0000_0006, 0]),
    Case("102. CFGI_CD_ALL with LEAF", [0x0000_0010_0000_0006, 1], nil),
    Case(
      "ATC_INV gets the stream", [0x0000_0010_0012_3a40, 0x5_0034],
      [0x0000_0042_0012_3a40, 0x5_0034]),
    Case("105. ATC_INV without ATS", [0x0000_0010_0000_0040, 52], nil, #""ats":false"#),
    Case("105. ATC_INV of size 53", [0x0000_0010_0000_0040, 53], nil),
    Case("105. ATC_INV of size 52", [0x0000_0010_0000_0040, 52], [0x0000_0042_0000_0040, 52]),
    Case(
      "105. ATC_INV with SSV and no substreams", [0x0000_0010_0000_0840, 52], nil,
      #""ssidsize":0"#),
    Case("CFGI_STE", [0x0000_0010_0000_0003, 1], nil),
    Case("CFGI_ALL", [0x04, 0x1f], nil),
    Case("SYNC", [0x46, 0], nil),
    Case("S2_IPA", [0x2a, 0], nil),
    Case("RESUME", [0x0000_0010_0000_1044, 0], nil),
    Case("an unknown opcode", [0x7f, 0], nil),
  ]

  @Test("60-62, 102-105. Words in, words out, or EIO and nothing", arguments: cases)
  func conversion(_ testCase: Case) throws {
    let lab = try Self.lab(testCase.features)
    let answer = try lab.invalidate([testCase.guest])
    if let host = testCase.host {
      #expect(answer.status == 200 && answer.json["handled"].int == 1, "\(answer)")
      #expect(try lab.commands() == [host, Self.sync])
    } else {
      #expect(answer.status == 422 && answer.errno == "EIO", "\(answer)")
      #expect(answer.json["code"].string == "hardware_rejected")
      #expect(answer.json["errors"][0]["pointer"].string == "/commands/0")
      #expect(answer.json["handled"].int == 0)
      #expect(try lab.commands() == [])
    }
    #expect(try lab.events("smmu.global_error") == [])
  }

  // MARK: Lists

  private static let all: [UInt64] = [0x10, 0]
  private static let bad: [UInt64] = [0x03, 1]
  private static let issued: [UInt64] = [0x0000_0003_0000_0010, 0]

  @Test("63. What a bad command finds in its list is counted and not issued")
  func badInTheMiddle() throws {
    let lab = try Self.lab()
    let answer = try lab.invalidate([Self.all, Self.bad, Self.all])
    #expect(answer.errno == "EIO" && answer.json["handled"].int == 1)
    #expect(answer.json["errors"][0]["pointer"].string == "/commands/1")
    #expect(try lab.commands() == [])
  }

  @Test("64. A full list in front of a bad command is issued")
  func badBehindList() throws {
    let lab = try Self.lab()
    let answer = try lab.invalidate(Array(repeating: Self.all, count: 63) + [Self.bad])
    #expect(answer.errno == "EIO" && answer.json["handled"].int == 63)
    #expect(try lab.commands() == Array(repeating: Self.issued, count: 63) + [Self.sync])
  }

  @Test("65. 130 commands go in lists of 63, 63 and 4, each with a SYNC")
  func lists() throws {
    let lab = try Self.lab()
    let answer = try lab.invalidate(Array(repeating: Self.all, count: 130))
    #expect(answer.status == 200 && answer.json["handled"].int == 130)
    let full = Array(repeating: Self.issued, count: 63) + [Self.sync]
    #expect(
      try lab.commands() == full + full + Array(repeating: Self.issued, count: 4) + [Self.sync])
  }

  @Test("59. No command at all is EINVAL")
  func none() throws {
    let lab = try Self.lab()
    let answer = try lab.invalidate([])
    #expect(answer.errno == "EINVAL" && answer.json["handled"].int == 0, "\(answer)")
    #expect(answer.json["errors"][0]["pointer"].string == "/commands")
    #expect(try lab.commands() == [])
  }

  @Test("Commands by name and by words are the same, and a dry run issues none")
  func byName() throws {
    let lab = try Self.lab()
    let body = """
      {"commands":[{"name":"TLBI_NH_ASID","fields":{"vmid":9,"asid":5}},["0x5000900000011",0],\
      {"words":["0x5000900000011","0x0"]}]}
      """
    let dry = try lab.post("viommus/v0/invalidate?dry_run=true", body)
    #expect(dry.status == 200 && dry.json["handled"].int == 3)
    #expect(try lab.commands() == [])
    #expect(try lab.post("viommus/v0/invalidate", body).status == 200)
    let one: [UInt64] = [0x0005_0003_0000_0011, 0]
    #expect(try lab.commands() == [one, one, one, Self.sync])
  }

  @Test("100. A virtual ID of more than 32 bits is reached by no command")
  func wideVirtualID() throws {
    let lab = try Self.lab()
    try lab.makeDevice("d1", stream: 67)
    try lab.makeVDev("vd1", device: "d1", virtID: 1 << 40)
    #expect(try lab.invalidate([[0x05, 1]]).errno == "EIO")
    #expect(try lab.commands() == [])
  }
}
