// SPDX-License-Identifier: Apache-2.0
import Locking

/// A response that somebody will have later, from any thread.
///
/// The server sets the continuation when it suspends the connection; whichever of the two comes
/// second, the answer or the continuation, sends the answer. An answer is given once: further
/// ones are ignored.
public final class DeferredResponse: Sendable {
  private enum State {
    case empty
    case waiting(@Sendable (Response) -> Void)
    case answered(Response)
    case done
  }

  private let state = Locked<State>(.empty)

  /// A response that nobody has given and nobody waits for yet.
  public init() {}

  /// Gives the answer.
  public func fulfil(_ response: Response) {
    let continuation = state.withLock { state -> (@Sendable (Response) -> Void)? in
      switch state {
      case .empty:
        state = .answered(response)
        return nil
      case .waiting(let continuation):
        state = .done
        return continuation
      case .answered, .done:
        return nil
      }
    }
    continuation?(response)
  }

  /// Asks for the answer; `continuation` is called exactly once, at once if it is there already.
  public func onAnswer(_ continuation: @escaping @Sendable (Response) -> Void) {
    let answer = state.withLock { state -> Response? in
      guard case .answered(let response) = state else {
        state = .waiting(continuation)
        return nil
      }
      state = .done
      return response
    }
    if let answer { continuation(answer) }
  }
}
