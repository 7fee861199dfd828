// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Synchronization

/// A stream that somebody's token allows. When the tokens are replaced, and the token is no longer
/// among them or allows less than the stream needs, the stream ends.
final class TokenStream: StreamSource {
  private let source: any StreamSource
  private let tokens: TokenGuard
  private let digest: [UInt8]
  private let scope: Token.Scope
  private let subject: Token.Subject
  /// How often the tokens had been replaced when this one was last looked for.
  private let seen: Atomic<Int>

  init(
    _ source: any StreamSource, _ tokens: TokenGuard, _ token: Token, needs scope: Token.Scope,
    on subject: Token.Subject
  ) {
    self.source = source
    self.tokens = tokens
    self.digest = token.digest
    self.scope = scope
    self.subject = subject
    // The tokens may have been replaced since this one was admitted, so it is looked for once.
    seen = Atomic(-1)
  }

  private func check() {
    let replacements = tokens.replacements
    guard seen.load(ordering: .relaxed) != replacements else { return }
    seen.store(replacements, ordering: .relaxed)
    if tokens.token(withDigest: digest)?.allows(scope, on: subject) != true {
      source.finish(reason: .unauthorized)
    }
  }

  var topic: Topic { source.topic }

  func isReady(now: UInt64) -> Bool {
    check()
    return source.isReady(now: now)
  }

  func produce(into chunk: inout [UInt8], limit: Int, now: UInt64) -> StreamState {
    check()
    return source.produce(into: &chunk, limit: limit, now: now)
  }

  func prompt() { source.prompt() }
  func finish(reason: StreamEnd) { source.finish(reason: reason) }
  func closed() { source.closed() }
}
