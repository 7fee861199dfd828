// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@Suite struct TargetTests {
  private func segments(_ text: String) throws -> [String] {
    let target = try Target(Array(text.utf8))
    return (0..<target.segmentCount).map { target.text($0) }
  }

  @Test(
    arguments: [
      ("/", []), ("/a", ["a"]), ("/a/b", ["a", "b"]), ("/a/", ["a", ""]), ("//", ["", ""]),
      ("/a//b", ["a", "", "b"]), ("/a%2Fb/c", ["a/b", "c"]), ("/%61", ["a"]), ("/%c3%a9", ["é"]),
      ("/a%25b", ["a%b"]), ("/..", [".."]), ("/a?b/c", ["a"]), ("/?x", []), ("/%3F?x", ["?"]),
      ("/a+b", ["a+b"]), ("http://h/a", ["a"]), ("HTTPS://h:1/a/b?q", ["a", "b"]), ("http://h", []),
      ("http://h?q", []),
    ] as [(String, [String])])
  func pathFallsIntoItsSegments(_ text: String, _ expected: [String]) throws {
    #expect(try segments(text) == expected)
  }

  @Test(
    arguments: [
      ("", .notOriginForm), ("a", .notOriginForm), ("*", .notOriginForm),
      ("http://", .notOriginForm),
      ("http:///a", .notOriginForm), ("ftp://h/a", .notOriginForm), ("/a b", .forbiddenByte),
      ("/a\u{7f}", .forbiddenByte), ("/é", .forbiddenByte), ("/a#b", .forbiddenByte),
      ("/a\0", .forbiddenByte), ("/%00", .forbiddenByte), ("/a?b#", .forbiddenByte),
      ("/%", .badEscape), ("/%4", .badEscape), ("/%zz", .badEscape), ("/%4/1", .badEscape),
      ("/%ff", .notUTF8), ("/%c3/%a9", .notUTF8), ("/%c3", .notUTF8), ("/%ed%a0%80", .notUTF8),
      ("/%c0%af", .notUTF8), ("http://a b/c", .forbiddenByte),
    ] as [(String, Target.Malformed)])
  func targetThatNoURIHasIsRefused(_ text: String, _ reason: Target.Malformed) {
    #expect(throws: reason) { try Target(Array(text.utf8)) }
  }

  @Test(
    arguments: [
      ("/a?b=1&c", "b=1&c"), ("/a?", ""), ("/a", nil), ("/a?b?c", "b?c"), ("http://h?q=1", "q=1"),
    ] as [(String, String?)])
  func queryIsWhatFollowsTheFirstQuestionMark(_ text: String, _ expected: String?) throws {
    let query = try Target(Array(text.utf8)).query
    #expect(query.map { String(decoding: $0, as: UTF8.self) } == expected)
  }

  @Test(arguments: [
    ("/a%2Fb?c", "/a%2Fb"), ("http://h/x?y", "/x"), ("http://h", "/"), ("/", "/"),
  ])
  func rawPathIsAsItWasSent(_ text: String, _ expected: String) throws {
    #expect(String(decoding: try Target(Array(text.utf8)).rawPath, as: UTF8.self) == expected)
  }

  @Test func segmentIsComparedWhole() throws {
    let target = try Target(Array("/abc/%61bc".utf8))
    for index in 0...1 {
      #expect(target.segment(index, equals: Array("abc".utf8)))
      #expect(!target.segment(index, equals: Array("ab".utf8)))
      #expect(!target.segment(index, equals: Array("abd".utf8)))
    }
  }

  // MARK: Query

  @Test func parametersComeInTheOrderInWhichTheyWereSent() throws {
    let query = try Query(Array("b=1&a=%32&b=3&c&=x&&d=e=f".utf8))
    #expect(query.parameters.map(\.name) == ["b", "a", "b", "c", "", "d"])
    #expect(query.parameters.map(\.value) == ["1", "2", "3", "", "x", "e=f"])
    #expect(query["b"] == "1")
    #expect(query["z"] == nil)
  }

  @Test func plusStandsForItself() throws {
    #expect(try Query(Array("a=b+c%20d".utf8))["a"] == "b+c d")
  }

  @Test(
    arguments: [
      ("a=%", .badEscape), ("%zz=1", .badEscape), ("a=%2", .badEscape), ("a=%00", .forbiddenByte),
      ("a=%ff", .notUTF8), ("a=%c3&b=%a9", .notUTF8),
    ] as [(String, Target.Malformed)])
  func queryThatCannotBeDecodedIsRefused(_ text: String, _ reason: Target.Malformed) {
    #expect(throws: reason) { try Query(Array(text.utf8)) }
  }

  @Test func noQueryHasNoParameters() throws {
    #expect(try Query(nil).parameters.isEmpty)
    #expect(try Query([]).parameters.isEmpty)
  }
}
