// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import TestSupport
import Testing

/// What the hardware is told when mappings go.
@Suite("An unmap invalidates what it takes away") struct UnmapTests {
  private static let sync: [UInt64] = [0x46, 0]

  /// The bytes that a range command drops.
  private static func range(_ words: [UInt64]) -> Range<UInt64> {
    let num = words[0] >> 12 & 31
    let scale = words[0] >> 20 & 63
    let start = words[1] & ~0xfff
    return start..<start + (num + 1) << (scale + 12)
  }

  struct Case: Sendable, CustomStringConvertible {
    let iova: UInt64
    let pages: UInt64
    var description: String { "\(pages) pages at \(hex(iova))" }
  }

  static let cases = [1, 2, 3, 31, 32, 33, 63, 511, 512, 513, 1025, 0x3fe1].map {
    Case(iova: 0x40_1000, pages: $0)
  }

  @Test("Ranges cover what was mapped and no more than a page beyond", arguments: cases)
  func stage2Ranges(_ testCase: Case) throws {
    let lab = try Lab().furnish()
    try lab.attach("s2")
    try lab.map(testCase.iova, testCase.pages << 12)
    try lab.mark()
    try lab.unmap(testCase.iova, testCase.pages << 12)
    let commands = try lab.commands()
    // The ranges, a SYNC, then everything of stage 1 that may have stage 2 in it.
    #expect(commands.suffix(3) == [Self.sync, [0x0000_0001_0000_0010, 0], Self.sync])
    var end = testCase.iova
    for command in commands.dropLast(3) {
      #expect(command[0] & 0xff == 0x2a && command[0] >> 32 & 0xffff == 1)
      #expect(command[1] >> 10 & 3 == 1 && command[1] & 1 == 0 && command[1] >> 8 & 3 == 0)
      // NUM, SCALE and TTL of 0 together are reserved.
      #expect(command[0] & 0x3f1_f000 != 0)
      let range = Self.range(command)
      #expect(range.lowerBound == end)
      end = range.upperBound
    }
    let exact = testCase.iova + testCase.pages << 12
    #expect(end == exact || end == exact + 0x1000)
    #expect(try lab.events("smmu.global_error") == [])
  }

  @Test("A stage 1 is told by its ASID")
  func stage1() throws {
    let lab = try Lab().plug()
    try lab.attach(ioas: "ram")
    try lab.map(0x80_0000, 0x4000)
    try lab.mark()
    try lab.unmap(0x80_0000, 0x4000)
    #expect(try lab.commands() == [[0x0001_0000_0020_0012, 0x80_0400], Self.sync])
  }

  @Test("Without RIL there is a command a page, and one for all where they are many")
  func withoutRanges() throws {
    let lab = try Lab(#""ril":false"#).furnish()
    try lab.attach("s2")
    try lab.map(0x80_0000, 0x3000)
    try lab.mark()
    try lab.unmap(0x80_0000, 0x3000)
    let vmid: UInt64 = 1 << 32
    #expect(
      try lab.commands() == [
        [0x2a | vmid, 0x80_0000], [0x2a | vmid, 0x80_1000], [0x2a | vmid, 0x80_2000], Self.sync,
        [0x10 | vmid, 0], Self.sync,
      ])
    try lab.map(0x80_0000, 512 << 12)
    try lab.mark()
    try lab.unmap(0x80_0000, 512 << 12)
    #expect(try lab.commands() == [[0x28 | vmid, 0], Self.sync])
    try lab.attach(ioas: "ram")
    try lab.map(0x80_0000, 512 << 12)
    try lab.mark()
    try lab.unmap(0x80_0000, 512 << 12)
    // Both domains of the address space have it: the parent without a device, too.
    #expect(try lab.names().filter { $0 != "SYNC" } == ["TLBI_S12_VMALL", "TLBI_NH_ASID"])
  }

  @Test("Devices with ATS forget all, whichever domain leads to the parent")
  func ats() throws {
    let lab = try Lab().furnish(#""ats":true"#)
    try lab.makeNested("n0", [0x4000_000b, 1 << 28])
    for domain in ["s2", "n0"] {
      try lab.attach(domain)
      try lab.map(0x80_0000, 0x1000)
      try lab.mark()
      try lab.unmap(0x80_0000, 0x1000)
      #expect(
        try lab.commands().suffix(2) == [[0x0000_0042_0000_0040, 52], Self.sync], "\(domain)")
    }
  }

  @Test("A mapping tells nobody")
  func mapping() throws {
    let lab = try Lab().furnish()
    try lab.attach("s2")
    try lab.mark()
    try lab.map(0x80_0000, 0x1000)
    #expect(try lab.commands() == [])
    #expect(try lab.outcome(0x80_0000) == "done")
  }

  /// Output widths whose tables and memory are in different places.
  @Test("Every width of addresses translates", arguments: [32, 36, 40, 42, 44, 48, 52])
  func widths(_ oas: Int) throws {
    let lab = try Lab(#""oas":\#(oas)"#).furnish()
    for domain in ["s2", nil] {
      if let domain { try lab.attach(domain) } else { try lab.attach(ioas: "ram") }
      #expect(try lab.outcome(Lab.base + 8, "write", #""data":"0102""#) == "done", "\(oas)")
      #expect(try lab.dma(Lab.base + 8, "read", #""length":2"#)["data"].string == "0102")
      #expect(try lab.unclaimed().isEmpty)
    }
    let beyond = try lab.post(
      "ioas/ram/map",
      #"{"iova":"0x0","length":"0x1000","physical":"\#(hex(UInt64(1) << UInt64(min(oas, 48))))"}"#)
    #expect(beyond.errno == "ERANGE")
  }

  @Test("Pages of all sizes are found, and none when they are gone")
  func sizes() throws {
    let lab = try Lab().furnish()
    try lab.attach("s2")
    // 2 MiB and 1 GiB where both sides allow it.
    for (iova, length, size) in [
      (0x2_0000_0000, 0x4000_0000, 30), (0x3_0000_0000, 0x20_0000, 21), (0x3_0020_0000, 0x1000, 12),
    ] as [(UInt64, UInt64, Int)] {
      try lab.map(iova, length, #""physical":"\#(hex(iova))""#)
      let answer = try lab.dma(iova + length - 4, "read", #""length":4"#)
      #expect(answer["outcome"].string == "done")
      #expect(answer["translation"]["size_log2"].int == size)
      #expect(answer["translation"]["physical"].quantity == iova + length - 4)
    }
    try lab.unmap(0x2_0000_0000, 0x4000_0000)
    try lab.unmap(0x3_0000_0000, 0x20_0000)
    #expect(try lab.outcome(0x2_0000_0000) == "aborted")
    #expect(try lab.outcome(0x3_0000_0000) == "aborted")
    #expect(try lab.outcome(0x3_0020_0000) == "done")
    try lab.unmap(0x3_0020_0000, 0x1000)
    #expect(try lab.outcome(0x3_0020_0000) == "aborted")
  }
}
