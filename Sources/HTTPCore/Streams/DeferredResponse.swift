// SPDX-License-Identifier: Apache-2.0
import Locking

/// A response that will be given later, by any thread.
///
/// The server suspends the connection and asks for the answer by `onAnswer`. The answer may be
/// given before that or after it; whichever call comes second sends the answer. Only the first
/// answer counts, and further ones are ignored.
public final class DeferredResponse: Sendable {
  private enum State {
    case empty
    case waiting(@Sendable (Response) -> Void)
    case answered(Response)
    case done
  }

  private let state = Locked<State>(.empty)

  /// Makes a response that has not been given, and that nobody waits for yet.
  public init() {}

  /// Gives the answer. If the server waits for it, its continuation is called on this thread.
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

  /// Asks for the answer, which may be done once.
  ///
  /// - Parameter continuation: is called exactly once, with the answer: during this call if there
  ///   is one already, and else by the thread that gives it.
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
