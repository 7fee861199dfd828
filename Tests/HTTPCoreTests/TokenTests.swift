// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@Suite struct TokenTests {
  /// Text that is the digest of a token, as far as its form goes.
  private static let digest = String(repeating: "5a", count: 32)
  private static let otherDigest = String(repeating: "A5", count: 32)

  private static func parse(_ text: String) throws(TokenFile.Malformed) -> [Token] {
    try TokenFile.parse(Array(text.utf8))
  }

  private static func faults(_ text: String) -> [TokenFile.Fault] {
    do throws(TokenFile.Malformed) {
      _ = try parse(text)
      return []
    } catch {
      return error.faults
    }
  }

  // MARK: The file

  @Test func aLineIsANameADigestAScopeAndHosts() throws {
    let tokens = try TokenTests.parse(
      """
      # Who may use the lab; ä and any other letter may stand in a comment.
      ci \(TokenTests.digest) write a,b-1
        \t
        # A comment may be indented.
      The_Boss.2\t\t\(TokenTests.otherDigest) \tadmin  *
      """)
    #expect(tokens.map(\.name) == ["ci", "The_Boss.2"])
    #expect(tokens.map(\.scope) == [.write, .admin])
    #expect(tokens.map(\.hosts) == [["a", "b-1"], nil])
    #expect(tokens[0].digest == [UInt8](repeating: 0x5a, count: 32))
    #expect(tokens[1].digest == [UInt8](repeating: 0xa5, count: 32))
  }

  @Test(arguments: ["", "\n", "# nothing\n\n"])
  func aFileMayHaveNoToken(_ text: String) throws {
    #expect(try TokenTests.parse(text).isEmpty)
  }

  /// Lines that are no tokens, and what is said of them.
  private static let wrong: [(line: String, says: String)] = [
    ("ci", "has 1 fields"), ("ci \(digest) read", "has 3 fields"),
    ("ci \(digest) read * # comment", "has 6 fields"),
    ("c:i \(digest) read *", "the name"), ("c\u{e4} \(digest) read *", "the name"),
    ("\u{feff}ci \(digest) read *", "the name"),
    (String(repeating: "n", count: 65) + " \(digest) read *", "the name"),
    ("ci \(digest.dropLast()) read *", "the second field"),
    ("ci \(digest)00 read *", "the second field"),
    ("ci \(digest.dropLast())g read *", "the second field"),
    ("ci my-own-token read *", "the second field"),
    ("ci \(digest) Read *", "the scope"), ("ci \(digest) read,write *", "the scope"),
    ("ci \(digest) read a,*", "the hosts"), ("ci \(digest) read a,,b", "the hosts"),
    ("ci \(digest) read ,", "the hosts"), ("ci \(digest) read A", "the hosts"),
    ("ci \(digest) read **", "the hosts"),
    ("ci \(digest) read *\r", "byte 75 is the control byte 0x0d"),
    ("ci\r\nSet-Cookie: x \(digest) read *", "byte 3 is the control byte 0x0d"),
    ("ci\u{0} \(digest) read *", "byte 3 is the control byte 0x00"),
    ("# \u{1b}[2J", "byte 3 is the control byte 0x1b"), ("\u{7f}", "byte 1 is the control byte"),
    ("one \(digest) read *", "line 1 has the same name"),
    ("two \(otherDigest.lowercased()) read *", "line 1 is for the same token"),
  ]

  @Test(arguments: wrong)
  func whatIsNoTokenIsAnErrorOfItsLine(_ line: String, _ says: String) {
    let faults = TokenTests.faults("one \(TokenTests.otherDigest) read *\n\n\(line)\n")
    #expect(faults.first?.line == 3)
    #expect(faults.first?.detail.contains(says) == true, "\(faults)")
  }

  @Test func allFaultsAreReportedUpToALimitAndNoneRepeatsTheFile() {
    let faults = TokenTests.faults(
      "secret\nok \(TokenTests.digest) read *\nsecret secret secret secret")
    #expect(faults.map(\.line) == [1, 3])
    #expect(faults.allSatisfy { !$0.detail.contains("secret") })
    let many = String(repeating: "secret\n", count: 100_000)
    #expect(TokenTests.faults(many).count == TokenFile.faultLimit)
  }

  // MARK: Requests

  private static func head(_ authorization: String?...) -> RequestHead {
    var headers = Headers()
    for field in authorization { if let field { headers.add(.authorization, field) } }
    return RequestHead(method: .get, target: .root, headers: headers)
  }

  private static func token(
    _ text: String, _ scope: Token.Scope = .read, _ hosts: Set<String>? = nil
  ) -> Token {
    Token(name: "name-of-" + text, digest: Token.digest(of: text), scope: scope, hosts: hosts)
  }

  @Test func theDigestIsThatOfSHA256() {
    // FIPS 180-4 has the digest of "abc" as its example.
    #expect(
      HexBytes.text(of: Token.digest(of: "abc"))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test(arguments: ["Bearer ", "bearer ", "BEARER   "])
  func eachTokenIsFoundWhereverItStands(_ scheme: String) throws {
    let names = (0..<50).map { "t\($0)/+~._-==" }
    let tokens = TokenGuard(names.map { TokenTests.token($0) })
    for name in names {
      #expect(try tokens.admit(TokenTests.head(scheme + name)).name == "name-of-" + name)
    }
  }

  @Test(
    arguments: [
      (nil, false), ("Basic dXNlcjpzZWNyZXQ=", false), ("", false), ("Bearers secret", false),
      ("Bearer", true), ("Bearer ", true), ("Bearer =", true), ("Bearer a b", true),
      ("Bearer sec\u{e4}ret", true), ("Bearer secret,", true), ("Bearer sec=ret", true),
      ("Bearer\tsecret", false), ("Bearer Secret", true), ("Bearer secre", true),
      ("Bearer secrett", true), ("Bearer secret=", true),
    ] as [(String?, Bool)])
  func anyOtherFieldIsRefusedWithAChallenge(_ field: String?, _ hasToken: Bool) {
    let tokens = TokenGuard([TokenTests.token("secret")])
    let problem = #expect(throws: Problem.self) {
      try tokens.admit(TokenTests.head(field))
    }
    #expect(problem?.status == 401)
    let challenge = problem?.response()[.authenticate]
    #expect(
      challenge
        == "Bearer realm=\"viommud\"" + (hasToken ? ", error=\"invalid_token\"" : ""))
  }

  @Test func twoTokensInOneRequestAreNone() {
    let tokens = TokenGuard([TokenTests.token("one"), TokenTests.token("two")])
    #expect(throws: Problem.self) { try tokens.admit(TokenTests.head("Bearer one", "Bearer two")) }
  }

  @Test func aDigestThatDiffersInOneBitIsNotFound() {
    let digest = Token.digest(of: "secret")
    let tokens = TokenGuard([TokenTests.token("secret")])
    #expect(tokens.token(withDigest: digest) != nil)
    for bit in 0..<256 {
      var other = digest
      other[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(tokens.token(withDigest: other) == nil)
    }
    for length in [0, 31, 33] {
      #expect(tokens.token(withDigest: Array((digest + digest).prefix(length))) == nil)
    }
    #expect(TokenGuard([]).token(withDigest: digest) == nil)
  }

  @Test func whatIsReplacedIsGone() throws {
    let tokens = TokenGuard([TokenTests.token("old")])
    let before = tokens.replacements
    tokens.replace(with: [TokenTests.token("new")])
    #expect(tokens.replacements != before)
    #expect(throws: Problem.self) { try tokens.admit(TokenTests.head("Bearer old")) }
    #expect(try tokens.admit(TokenTests.head("Bearer new")).name == "name-of-new")
  }

  // MARK: What a token allows

  @Test(arguments: Token.Scope.allCases, Token.Scope.allCases)
  func aScopeAllowsWhatThoseBeforeItDo(_ has: Token.Scope, _ needs: Token.Scope) throws {
    let all = Token.Scope.allCases
    let isEnough = try #require(all.firstIndex(of: has)) >= #require(all.firstIndex(of: needs))
    let token = TokenTests.token("t", has)
    #expect(token.allows(needs, on: .everyHost) == isEnough)
    guard !isEnough else { return try token.require(needs, on: .server) }
    let problem = #expect(throws: Problem.self) { try token.require(needs, on: .server) }
    #expect(problem?.status == 403)
    #expect(
      problem?.response()[.authenticate]
        == #"Bearer realm="viommud", error="insufficient_scope", scope="\#(needs.rawValue)""#)
  }

  @Test func aTokenIsForItsHosts() throws {
    let some = TokenTests.token("t", .admin, ["a", "b"])
    let all = TokenTests.token("u", .admin)
    for (subject, isAllowed) in [
      (.server, true), (.host("a"), true), (.host("b"), true), (.host("c"), false),
      (.host("default"), false), (.everyHost, false),
    ] as [(Token.Subject, Bool)] {
      #expect(some.allows(.read, on: subject) == isAllowed, "\(subject)")
      #expect(all.allows(.read, on: subject), "\(subject)")
      if !isAllowed {
        let problem = #expect(throws: Problem.self) { try some.require(.read, on: subject) }
        #expect(problem?.code == .forbidden)
      }
    }
  }
}
