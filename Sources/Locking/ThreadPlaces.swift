// SPDX-License-Identifier: Apache-2.0

/// Counts threads of one purpose, so that there are never more than a limit.
public final class ThreadPlaces: Sendable {
  /// How many places there are, of which each is for one thread.
  public let limit: Int
  private let taken = Locked(0)

  /// Makes a counter whose places are all free.
  public init(limit: Int) { self.limit = limit }

  /// How many places are taken.
  public var count: Int { taken.withLock { $0 } }

  /// Takes a place, if one is free.
  ///
  /// - Parameter isReplacing: whether the new thread takes over from one that will give its place
  ///   back soon. In this case one place more than the limit may be taken.
  /// - Returns: whether a place was taken.
  public func take(isReplacing: Bool = false) -> Bool {
    taken.withLock { taken in
      if taken >= limit + (isReplacing ? 1 : 0) { return false }
      taken += 1
      return true
    }
  }

  /// Gives a place back. It must be called once for each place that was taken.
  public func giveBack() { taken.withLock { $0 -= 1 } }
}
