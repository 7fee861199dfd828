// SPDX-License-Identifier: Apache-2.0

/// How many of something may have a thread of their own at once.
public final class ThreadPlaces: Sendable {
  /// How many places there are in all.
  public let limit: Int
  private let taken = Locked(0)

  /// Makes a counter of which all `limit` places are free.
  public init(limit: Int) { self.limit = limit }

  /// Places that are not free.
  public var count: Int { taken.withLock { $0 } }

  /// - Parameter isReplacing: whether somebody else gives a place back soon after, so that one more
  ///   than the limit may be taken until then.
  /// - Returns: whether there was one left.
  public func take(isReplacing: Bool = false) -> Bool {
    taken.withLock { taken in
      if taken >= limit + (isReplacing ? 1 : 0) { return false }
      taken += 1
      return true
    }
  }

  /// Gives one place back, once for each place that was taken.
  public func giveBack() { taken.withLock { $0 -= 1 } }
}
