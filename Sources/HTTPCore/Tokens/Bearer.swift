// SPDX-License-Identifier: Apache-2.0

/// The scheme by which tokens are sent (RFC 6750): `Authorization: Bearer` and the token.
enum Bearer {
  /// What a challenge says of the credentials that were sent (RFC 6750, section 3.1).
  enum Fault: String {
    case invalidToken = "invalid_token"
    case insufficientScope = "insufficient_scope"
  }

  private static let scheme = "bearer"

  /// The value of `WWW-Authenticate`. A client that sent no token is told only which scheme there
  /// is.
  static func challenge(_ fault: Fault? = nil) -> String {
    let challenge = "Bearer realm=\"viommud\""
    return fault.map { "\(challenge), error=\"\($0.rawValue)\"" } ?? challenge
  }

  /// The token in an `Authorization` field.
  ///
  /// A field that breaks the grammar gets 401 like a token that is not known, and not 400: to
  /// RFC 6750 a malformed token is an invalid one.
  ///
  /// - Throws: `unauthorized`, with the challenge that belongs to it.
  static func token(in field: String?) throws(Problem) -> String {
    guard let field else { throw missing("this server wants a token: Authorization: Bearer …") }
    let end = field.firstIndex(of: " ") ?? field.endIndex
    guard field[..<end].lowercased() == scheme else {
      throw missing("this server takes tokens only: Authorization: Bearer …")
    }
    let token = field[end...].drop { $0 == " " }
    // Two fields, which are joined by a comma, are refused here as well.
    guard isToken(token.utf8) else {
      throw invalid("what follows Bearer is not one token, of letters, digits and -._~+/")
    }
    return String(token)
  }

  /// - Returns: the refusal of a token that is sent as it should be.
  static func invalid(_ detail: String) -> Problem { refusal(detail, challenge(.invalidToken)) }

  private static func missing(_ detail: String) -> Problem { refusal(detail, challenge()) }

  private static func refusal(_ detail: String, _ challenge: String) -> Problem {
    var problem = Problem(.unauthorized, detail)
    problem.headers = [(.authenticate, challenge)]
    return problem
  }

  /// Whether a text is a `b64token` (RFC 6750, section 2.1).
  private static func isToken(_ text: Substring.UTF8View) -> Bool {
    let padding = text.reversed().prefix { $0 == UInt8(ascii: "=") }.count
    let body = text.dropLast(padding)
    return !body.isEmpty && body.allSatisfy(isOfToken)
  }

  private static func isOfToken(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "+"), UInt8(ascii: "/"):
      true
    default: false
    }
  }
}
