// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import HTTPCore

@Suite struct JSONParserTests {
  private func parse(_ text: String, depth: Int = 64) throws -> JSONValue {
    try JSONParser.parse(Array(text.utf8), depthLimit: depth).root
  }

  @Test(arguments: [
    "0", "-0", "10", "-1.5", "1e5", "1E+5", "1e-05", "0.0e0", "true", "false", "null", #""""#,
    #""a""#, "[]", "{}", "[1,2]", #"{"a":1}"#, " [ 1 ,\t2\r\n] ", #"{"":{}}"#, #"["\u0000"]"#,
    #""\"\\\/\b\f\n\r\t""#, "\"\u{7f}\"", "\"é€😀\"", #"{"a":[{"b":null}]}"#,
  ])
  func acceptsWhatIsJSON(_ text: String) throws {
    _ = try parse(text)
  }

  @Test(arguments: [
    ("", 0), (" ", 1), ("[", 1), ("]", 0), ("{", 1), ("[1", 2), ("[1,", 3), ("[1,]", 3),
    ("[,1]", 1), ("[1 2]", 3), (#"{"a"}"#, 4), (#"{"a":}"#, 5), (#"{"a":1,}"#, 7), ("{a:1}", 1),
    ("{1:2}", 1), ("1 2", 2), ("01", 1), ("-", 1), ("+1", 0), (".5", 0), ("1.", 2), ("1e", 2),
    ("1e+", 3), ("0x1", 1), ("tru", 3), ("True", 0), ("nul", 3), ("NaN", 0), ("Infinity", 0),
    (#"""#, 1), (#""a"#, 2), ("\"\n\"", 1), ("\"\u{1f}\"", 1), (#""\x""#, 2), (#""\u12""#, 3),
    (#""\u12g4""#, 3), ("'a'", 0), ("[1]x", 3), ("\u{feff}1", 0), ("/**/1", 0), ("1,", 1),
    ("\u{0c}1", 0), ("{\"a\":1 \"b\":2}", 7),
  ])
  func refusesWhatIsNotJSONAndSaysWhere(_ text: String, _ offset: Int) {
    let failure = #expect(throws: JSONParser.Failure.self) { try parse(text) }
    #expect(failure?.offset == offset, "\(failure?.reason ?? "")")
  }

  @Test(
    arguments: [
      ([0x22, 0xff, 0x22], 1), ([0x22, 0x61, 0xc3, 0x22], 2), ([0x22, 0xc0, 0x80, 0x22], 1),
      ([0x22, 0xed, 0xa0, 0x80, 0x22], 1), ([0x22, 0xf4, 0x90, 0x80, 0x80, 0x22], 1),
      ([0x22, 0xc3, 0xa9, 0xe2, 0x82, 0x22], 3),
    ] as [([UInt8], Int)])
  func refusesWhatIsNotUTF8AtItsFirstBadByte(_ bytes: [UInt8], _ offset: Int) {
    let failure = #expect(throws: JSONParser.Failure.self) { try JSONParser.parse(bytes) }
    #expect(failure == JSONParser.Failure(offset: offset, reason: "not UTF-8"))
  }

  @Test(arguments: [("[", "]"), (#"{"a":"#, "}")])
  func depthMayReachTheLimitAndNotPassIt(_ open: String, _ close: String) throws {
    let text = { (depth: Int) in
      String(repeating: open, count: depth) + "0" + String(repeating: close, count: depth)
    }
    _ = try parse(text(64))
    #expect(throws: JSONParser.Failure.self) { try parse(text(65)) }
    _ = try parse(text(3), depth: 3)
    #expect(throws: JSONParser.Failure.self) { try parse(text(4), depth: 3) }
  }

  @Test func depthIsThatOfOpenContainersAndNotTheirNumber() throws {
    let text = "[" + String(repeating: "[],", count: 1000) + "[]]"
    #expect(try parse(text, depth: 2).elements.count == 1001)
  }

  @Test func hugeDepthIsRefusedWithoutUsingTheStack() {
    let text = String(repeating: "[", count: 1_000_000)
    #expect(throws: JSONParser.Failure.self) { try parse(text) }
  }

  @Test(arguments: [
    (#""\u0041""#, "A"), (#""\u00e9""#, "é"), (#""\u20AC""#, "€"), (#""\ud83d\ude00""#, "😀"),
    (#""\uD800\uDC00""#, "\u{10000}"), (#""\udbff\udfff""#, "\u{10ffff}"),
    (#""\ud7ff""#, "\u{d7ff}"),
    (#""\ue000""#, "\u{e000}"), (#""a\nb\t\"\\\/""#, "a\nb\t\"\\/"), (#""\b\f\r""#, "\u{8}\u{c}\r"),
    (#""\u0000""#, "\0"),
  ])
  func escapesAreDecoded(_ text: String, _ expected: String) throws {
    #expect(try parse(text).string == expected)
  }

  @Test(arguments: [
    #""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\ud800""#,
    #""\ud800\u0041""#, #""\udfff\ud800""#, #""\ud800\"#, #""\ud800\u"#,
  ])
  func halfOfASurrogatePairIsRefused(_ text: String) {
    #expect(throws: JSONParser.Failure.self) { try parse(text) }
  }

  @Test func documentIsReadInItsOrder() throws {
    let root = try parse(#"{"b":[1,"x",null],"a":{"c":true},"b":2}"#)
    #expect(root.members.map(\.name) == ["b", "a", "b"])
    #expect(root.member("b")?.elements.map(\.kind) == [.number, .string, .null])
    #expect(root.member("a")?.member("c")?.bool == true)
    #expect(root.member("c") == nil)
    #expect(root.member("b")?.elementCount == 3)
  }

  @Test(arguments: ["a", #"\u0061"#])
  func memberIsFoundHoweverItsNameIsSpelled(_ name: String) throws {
    #expect(try parse("{\"x\":1,\"\(name)\":2}").member("a")?.quantity == 2)
  }

  @Test func repeatedNamesAreMarkedInSmallObjectsAndInLargeOnes() throws {
    for count in [0, 14, 15, 16, 40] {
      let fill = (0..<count).map { "\"m\($0)\":0," }.joined()
      let root = try parse("{\(fill)\"a\":1,\"\\u0061\":2}")
      let reader = ObjectReader(root)
      for index in 0..<count { _ = reader.int("m\(index)", in: 0...0) }
      #expect(reader.int("a", in: 0...9) == 1)
      let problem = #expect(throws: Problem.self) { try reader.finish() }
      #expect(
        problem?.faults == [.init(.invalidField, at: "/a", "the member is there twice")])
    }
  }

  @Test func writingAgainGivesTheSameValueWithoutWhiteSpace() throws {
    let root = try parse(#" { "a" : [ 1.50 , "\u0041\"" , { } ] , "$n" : "$n" } "#)
    var writer = JSONWriter()
    root.write(to: &writer) { $0 == "$n" ? "vdev-1" : $0 }
    #expect(
      String(decoding: writer.bytes, as: UTF8.self) == #"{"a":[1.50,"A\"",{}],"$n":"vdev-1"}"#)
  }
}
