// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@Suite struct JSONWriterTests {
  private func written(_ write: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    write(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test func membersAndElementsAreSeparatedByCommas() {
    let text = written { writer in
      writer.object { writer in
        writer.field("a", int: 1)
        writer.key("b")
        writer.array(of: [1, 2]) { $0.int($1) }
        writer.key("c")
        writer.object { _ in }
        writer.key("d")
        writer.array(of: [Int]()) { $0.int($1) }
        writer.field("e", text: nil as String?)
        writer.field("f", bool: false)
      }
    }
    #expect(text == #"{"a":1,"b":[1,2],"c":{},"d":[],"e":null,"f":false}"#)
  }

  @Test(arguments: [
    ("", #""""#), ("a/b", #""a/b""#), ("\"", #""\"""#), ("\\", #""\\""#), ("\n", #""\n""#),
    ("\0", #""\u0000""#), ("\u{1f}", #""\u001f""#), ("\t\r", #""\u0009\u000d""#),
    ("\u{7f}é😀", "\"\u{7f}é😀\""), ("a\nb\"c", #""a\nb\"c""#),
  ])
  func textIsEscapedWhereJSONNeedsIt(_ value: String, _ expected: String) throws {
    let text = written { $0.text(value) }
    #expect(text == expected)
    #expect(try JSONParser.parse(Array(text.utf8)).root.string == value)
  }

  @Test(
    arguments: [
      (0, "0x0"), (1, "0x1"), (0xf, "0xf"), (0x10, "0x10"), (0xabc, "0xabc"), (0x1f00, "0x1f00"),
      (1 << 63, "0x8000000000000000"), (UInt64.max, "0xffffffffffffffff"),
    ] as [(UInt64, String)])
  func quantityIsWrittenWithoutLeadingZeros(_ value: UInt64, _ expected: String) {
    #expect(written { $0.hex(value) } == "\"\(expected)\"")
    #expect(HexText.of(value) == expected)
    #expect(HexText.parse(expected) == value)
  }

  @Test(arguments: [
    0, 1, 9, 10, 99, 100, 101, 1_000_000, -1, -10, Int.max, Int.min, Int.min + 1, 999_999_999_999,
  ])
  func decimalsAreTheDigitsOfTheNumber(_ value: Int) {
    #expect(written { $0.int(value) } == String(value))
  }

  @Test func greatestUnsignedNumberIsWrittenWhole() {
    var bytes: [UInt8] = []
    Decimal.append(UInt.max, to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == String(UInt.max))
  }

  @Test(
    arguments: [
      ("0", 0), ("7", 7), ("42", 42), ("999999999999999999", 999_999_999_999_999_999), ("", nil),
      ("00", nil), ("01", nil), ("-1", nil), ("+1", nil), (" 1", nil), ("1x", nil),
      ("1000000000000000000", nil),
    ] as [(String, Int?)])
  func decimalIsParsedInItsOneSpelling(_ text: String, _ expected: Int?) {
    #expect(Decimal.parse(text.utf8) == expected)
  }

  @Test func writtenPartsAreTakenOverAsTheyAre() {
    let text = written { writer in
      writer.object { writer in
        writer.field("a", int: 1)
        writer.merge(object: Array(#"{"b":2}"#.utf8))
        writer.merge(object: Array("{}".utf8))
        writer.key("c")
        writer.raw("[3]".utf8)
        writer.field("d", int: 4)
      }
    }
    #expect(text == #"{"a":1,"b":2,"c":[3],"d":4}"#)
  }
}
