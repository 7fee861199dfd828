// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import HTTPCore

@Suite struct ObjectReaderTests {
  private enum Color: String, CaseIterable { case red, green }

  private func reader(_ text: String) throws -> ObjectReader {
    try ObjectReader.body(Array(text.utf8), depthLimit: 64)
  }

  /// The faults of reading one member.
  private func faults(
    _ text: String, _ read: (ObjectReader) -> Void
  ) throws -> [Problem.Fault] {
    let reader = try reader(text)
    read(reader)
    do throws(Problem) {
      try reader.finish()
      return []
    } catch {
      return error.faults
    }
  }

  @Test func allFaultsComeAtOnceEachWithItsPointer() throws {
    let body =
      #"{"n":"x","b":1,"t":[],"c":"blue","id":"A","ex~t/ra":1,"o":{"h":-1,"z":0},"a":[5,"q"]}"#
    let reader = try reader(body)
    _ = reader.int("n", in: 0...9)
    _ = reader.bool("b")
    _ = reader.text("t")
    _ = reader.choice("c", of: Color.self)
    _ = reader.identifier("id")
    _ = reader.hex("missing", required: true)
    let inner = try #require(reader.object("o"))
    _ = inner.hex("h")
    reader.adopt(inner)
    _ = reader.hexArray("a", count: 1...2)
    let problem = #expect(throws: Problem.self) { try reader.finish() }
    #expect(
      problem?.faults.map(\.pointer)
        == ["/n", "/b", "/t", "/c", "/id", "/missing", "/o/h", "/o/z", "/a/1", "/ex~0t~1ra"])
    #expect(problem?.faults.map(\.code).filter { $0 == .unknownField }.count == 2)
    #expect(problem?.code == .invalidField)
  }

  @Test func problemOfUnknownFieldsAloneSaysSo() throws {
    let reader = try reader(#"{"x":1,"y":2}"#)
    let problem = #expect(throws: Problem.self) { try reader.finish() }
    #expect(problem?.code == .unknownField)
    #expect(problem?.faults.map(\.pointer) == ["/x", "/y"])
  }

  @Test func memberWithoutANameHasAPointerOfItsOwn() throws {
    #expect(try faults(#"{"":1}"#) { _ in }.map(\.pointer) == ["/"])
  }

  @Test func noBodyIsWorthMoreFaultsThanTheLimit() throws {
    for count in [99, 100, 101, 5000] {
      let members = (0..<count).map { "\"m\($0)\":1" }.joined(separator: ",")
      let found = try faults("{\(members)}") { _ in }
      #expect(found.count == min(count, ObjectReader.faultLimit))
    }
  }

  @Test(arguments: ["[]", "1", "null", #""x""#])
  func bodyThatIsNoObjectIsAFaultOfTheWhole(_ text: String) throws {
    let found = try faults(text) { _ = $0.text("a") }
    #expect(found.map(\.pointer) == [""])
    #expect(found.map(\.code) == [.invalidField])
  }

  @Test func bodyThatIsNotJSONIsRefusedWithItsOffset() {
    let problem = #expect(throws: Problem.self) { try reader(#"{"a":}"#) }
    #expect(problem?.code == .malformedJSON)
    #expect(problem?.detail.hasPrefix("at byte 5: ") == true)
  }

  @Test(
    arguments: [
      (#""0x0""#, 0), (#""0x1f00""#, 0x1f00), (#""0xFfFf""#, 0xffff),
      (#""0xffffffffffffffff""#, UInt64.max), (#""0x0000000000000001""#, 1), ("0", 0),
      ("18446744073709551615", UInt64.max), ("8.0", 8), ("8e0", 8), ("8E+2", 800), ("80e-1", 8),
      ("-0", 0), ("9007199254740992.0", 9_007_199_254_740_992),
    ] as [(String, UInt64)])
  func quantityIsAHexStringOrAnInteger(_ text: String, _ expected: UInt64) throws {
    let reader = try reader("{\"h\":\(text)}")
    #expect(reader.hex("h") == expected)
    try reader.finish()
  }

  @Test(arguments: [
    #""0x""#, #""0x10000000000000000""#, #""0x00000000000000000""#, #""1f""#, #""0X1""#, #""0xg""#,
    #"" 0x1""#, #""""#, "-1", "1.5", "18446744073709551616", "9007199254740994.0", "1e300", "1e400",
    "true", "[]", "{}",
  ])
  func quantityIsNothingElse(_ text: String) throws {
    let found = try faults("{\"h\":\(text)}") { #expect($0.hex("h") == nil) }
    #expect(found == [.init(.invalidField, at: "/h", JSONNumber.quantityRule)])
  }

  @Test(arguments: [
    ("8", 8), ("8.0", 8), ("8e0", 8), ("0.8e1", 8), ("-8", -8), ("-8.0", -8), ("-0", 0),
    ("10", 10), ("-10", -10),
  ])
  func integerMayBeSpelledAsJSONSpellsNumbers(_ text: String, _ expected: Int) throws {
    let reader = try reader("{\"n\":\(text)}")
    #expect(reader.int("n", in: -10...10) == expected)
    try reader.finish()
  }

  @Test(arguments: [
    "11", "-11", "0.5", "1e1000", "1e-1", "99999999999999999999", "-9223372036854775809", #""8""#,
    "true",
  ])
  func integerOutsideItsRangeOrNotOneIsAFault(_ text: String) throws {
    let found = try faults("{\"n\":\(text)}") { #expect($0.int("n", in: -10...10) == nil) }
    #expect(found.map(\.pointer) == ["/n"])
  }

  @Test func nullStandsForAFieldThatIsLeftOutUnlessItIsRequired() throws {
    let reader = try reader(#"{"a":null,"b":null}"#)
    #expect(reader.text("a") == nil)
    #expect(reader.has("a") && !reader.has("c"))
    #expect(reader.text("b", required: true) == nil)
    let problem = #expect(throws: Problem.self) { try reader.finish() }
    #expect(problem?.faults.map(\.pointer) == ["/b"])
  }

  @Test(arguments: [
    ("a", true), ("0", true), ("a.b_c-d", true), (String(repeating: "a", count: 63), true),
    (String(repeating: "a", count: 64), false), ("", false), ("A", false), (".a", false),
    ("-a", false), ("_a", false), ("a b", false), ("a/b", false), ("é", false), ("a\0", false),
  ])
  func identifiersHaveOneForm(_ text: String, _ isValid: Bool) {
    #expect(Identifier.isValid(text.utf8) == isValid)
  }

  @Test func textIsMeasuredInBytes() throws {
    let found = try faults(#"{"a":"éé","b":"éé"}"#) { reader in
      #expect(reader.text("a", limit: 4) == "éé")
      #expect(reader.text("b", limit: 3) == nil)
    }
    #expect(found.map(\.pointer) == ["/b"])
  }

  @Test(arguments: [(0, false), (1, true), (2, true), (3, false)])
  func arrayHasAsManyElementsAsAllowed(_ count: Int, _ isAllowed: Bool) throws {
    let elements = Array(repeating: "1", count: count).joined(separator: ",")
    let found = try faults("{\"a\":[\(elements)]}") { reader in
      #expect(reader.array("a", count: 1...2)?.count == (isAllowed ? count : nil))
    }
    #expect(found.isEmpty == isAllowed)
  }

  @Test func recordingReaderListsTheFieldsThatAreAskedFor() throws {
    let reader = ObjectReader.recording()
    _ = reader.identifier("id")
    _ = reader.reference("device", required: true)
    _ = reader.hexArray("ste", required: true, count: 2...2)
    _ = reader.choice("type", of: Color.self)
    #expect(
      reader.fields.map { "\($0.name) \($0.kind) \($0.isRequired)" } == [
        "id identifier false", "device reference true", "ste array true", "type choice false",
      ])
    try reader.finish()
  }
}
