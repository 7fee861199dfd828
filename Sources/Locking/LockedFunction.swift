// SPDX-License-Identifier: Apache-2.0

/// A function behind a lock, which is released before the function is called.
///
/// What `Locked` holds must not be a function: each access to a function through a generic
/// parameter wraps it once more, and after some ten thousand of them a call needs more stack than
/// there is. As a member of a structure it stays what it is.
public final class LockedFunction<Argument, Result>: Sendable {
  private struct Function {
    let call: @Sendable (Argument) -> Result
  }

  private let function: Locked<Function?> = Locked(nil)

  /// Holds no function at first: a call answers nil until `set` has been called.
  public init() {}

  /// Replaces the function for the calls that begin from now on, or takes it away with nil.
  ///
  /// A call that has already begun goes on with the function that it found.
  public func set(_ call: (@Sendable (Argument) -> Result)?) {
    let function = call.map { Function(call: $0) }
    self.function.withLock { $0 = function }
  }

  /// Calls the function.
  ///
  /// - Returns: what it returns; nil when there is none.
  @discardableResult
  public func callAsFunction(_ argument: Argument) -> Result? {
    function.withLock { $0 }?.call(argument)
  }
}
