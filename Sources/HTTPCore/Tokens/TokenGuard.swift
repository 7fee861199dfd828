// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// Admits requests by their bearer tokens. The tokens can be replaced while requests are served.
public final class TokenGuard: Sendable {
  /// The tokens that there are at one time.
  private final class Table: Sendable {
    let tokens: [Token]
    /// The digests of the tokens one after the other, each in `Token.digestSize` bytes.
    let digests: [UInt8]

    init(_ tokens: [Token]) {
      self.tokens = tokens.filter { $0.digest.count == Token.digestSize }
      digests = self.tokens.flatMap(\.digest)
    }
  }

  private let table: Locked<Table>
  private let count = Atomic<Int>(0)

  /// Makes a guard for some tokens. No two of them should have the same digest.
  public init(_ tokens: [Token]) { table = Locked(Table(tokens)) }

  /// Replaces all tokens, for requests that begin from now on.
  public func replace(with tokens: [Token]) {
    let new = Table(tokens)
    table.withLock { $0 = new }
    count.add(1, ordering: .releasing)
  }

  /// How often the tokens were replaced. While it stays the same, what was allowed still is.
  public var replacements: Int { count.load(ordering: .acquiring) }

  /// Finds the token of a request.
  ///
  /// - Throws: `unauthorized` for a request without a token, and for a token that is not known.
  public func admit(_ head: RequestHead) throws(Problem) -> Token {
    let sent = try Bearer.token(in: head.headers[.authorization])
    guard let known = token(withDigest: Token.digest(of: sent)) else {
      throw Bearer.invalid("this token is not known")
    }
    return known
  }

  /// The token with a digest; nil when there is none.
  ///
  /// The time that this takes depends on the number of tokens alone: every byte of every digest is
  /// compared, and there is no branch on the outcome.
  public func token(withDigest digest: [UInt8]) -> Token? {
    guard digest.count == Token.digestSize else { return nil }
    let table = table.withLock { $0 }
    var found: UInt64 = 0
    for position in table.tokens.indices {
      let start = position * Token.digestSize
      var difference: UInt8 = 0
      for index in 0..<Token.digestSize {
        difference |= table.digests[start + index] ^ digest[index]
      }
      // 1 for a difference of 0, which alone borrows from the upper bits; else 0.
      let isSame = (UInt64(difference) &- 1) >> 63
      found |= (0 &- isSame) & UInt64(position + 1)
    }
    return found == 0 ? nil : table.tokens[Int(found) - 1]
  }
}
