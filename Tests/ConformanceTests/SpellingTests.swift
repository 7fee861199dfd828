// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Conformance

/// How scripts spell what they say, and what becomes of it in memory.
@Suite struct SpellingTests {
  @Test(
    arguments: [
      ("0", 0), ("4096", 4096), ("0x1000", 4096), ("0XfF", 255), ("-1", UInt64.max),
      ("-4096", 0xffff_ffff_ffff_f000), ("-0x10", 0xffff_ffff_ffff_fff0),
      ("0xffffffffffffffff", UInt64.max), ("18446744073709551615", UInt64.max),
      ("", nil), ("0x", nil), ("x", nil), ("1 ", nil), ("0x10000000000000000", nil), ("-", nil),
    ] as [(String, UInt64?)])
  func `numbers are decimal or hex, and may be negative`(text: String, value: UInt64?) {
    #expect(Spelling.number(text) == value)
  }

  @Test(
    arguments: [
      ("pasid", 8), ("dirty|nest_parent", 3), ("0x80|pasid", 0x88), ("3", 3), ("", 0),
      ("pasid|no", nil),
    ] as [(String, UInt64?)])
  func `flags are names and numbers`(text: String, bits: UInt64?) {
    #expect(Spelling.flags(text, ["nest_parent": 1, "dirty": 2, "pasid": 8]) == bits)
  }

  @Test(
    arguments: [
      ("v0", "v0"), ("dev_1", "dev_1"), ("devB", "dev-b"), ("iA", "i-a"), ("a-b", "a.2d.b"),
      ("Q", "x.-q"), ("_x", "x._x"),
    ])
  func `every name has an identifier of its own`(name: String, id: String) {
    #expect(ObjectTable.id(of: name) == id)
  }

  @Test func `structures are little endian and begin with their size`() {
    let bytes = StructBytes.argument(.u32(0x0102_0304), .u64(5), .u16(0x0607), .u8(8), .u8(9))
    #expect(
      StructBytes.hex(bytes) == "14000000" + "04030201" + "0500000000000000" + "0706" + "0809")
    #expect(StructBytes.u32(bytes, at: 4) == 0x0102_0304)
    #expect(StructBytes.u64(bytes, at: 8) == 5)
    #expect(StructBytes.u8(bytes, at: 19) == 9)
    #expect(StructBytes.u64(bytes, at: 13) == nil)
  }

  @Test func `bytes are read back from hex with and without a prefix`() {
    #expect(StructBytes.bytes(hex: "00ff10") == [0, 255, 16])
    #expect(StructBytes.bytes(hex: "0x00FF") == [0, 255])
    #expect(StructBytes.bytes(hex: "") == [])
    #expect(StructBytes.bytes(hex: "0") == nil)
    #expect(StructBytes.bytes(hex: "0g") == nil)
  }

  @Test func `entries are packed at their natural size, with zeros behind them`() throws {
    let entries = try InvalidationOperations.entries("0:0x99:1,1:2:0", words: 3)
    let memory = InvalidationOperations.memory(of: entries, count: 2, length: 13)
    #expect(
      StructBytes.hex(memory.bytes)
        == "000000009900000001000000" + "010000000200000000000000" + "0000")
    #expect(throws: PlayFailure.self) { try InvalidationOperations.entries("0:1", words: 3) }
    #expect(throws: PlayFailure.self) { try InvalidationOperations.entries("0:x", words: 2) }
  }

  @Test func `a huge array of entries takes no memory to speak of`() {
    let memory = InvalidationOperations.memory(of: [], count: .max, length: .max)
    #expect(memory.bytes.count == 1 << 16)
  }

  @Test(
    arguments: [
      ("0000:00:05.0", 0x28, nil), ("0000:02:01.0", 0x208, "bus-2"),
      ("0000:ff:1f.7", 0xffff, "bus-255"),
    ] as [(String, Int, String?)])
  func `a PCI address says what the IOMMU knows the device by`(
    text: String, sourceID: Int, group: String?
  ) throws {
    let address = try #require(PhysicalDeviceOperations.PCIAddress(text))
    #expect(address.sourceID == sourceID)
    #expect(address.group == group)
  }
}
