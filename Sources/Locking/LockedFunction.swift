// SPDX-License-Identifier: Apache-2.0

/// A function that can be replaced while other threads call it. The lock that guards it is released
/// before the function is called.
///
/// A `Locked` must not hold a function directly. Each access to a function through a generic
/// parameter wraps it once more, and after some ten thousand accesses a call overflows the stack. A
/// function that is a member of a structure is not wrapped.
public final class LockedFunction<Argument, Result>: Sendable {
  private struct Function {
    let call: @Sendable (Argument) -> Result
  }

  private let function: Locked<Function?> = Locked(nil)

  /// Makes one without a function. Calls return nil until `set` gives it one.
  public init() {}

  /// Replaces the function for calls that begin from now on; nil takes it away.
  ///
  /// Calls that have begun before go on with the function that they found.
  public func set(_ call: (@Sendable (Argument) -> Result)?) {
    let function = call.map { Function(call: $0) }
    self.function.withLock { $0 = function }
  }

  /// Calls the function, without holding the lock.
  ///
  /// - Returns: what the function returns; nil when there is none.
  @discardableResult
  public func callAsFunction(_ argument: Argument) -> Result? {
    function.withLock { $0 }?.call(argument)
  }
}
