// SPDX-License-Identifier: Apache-2.0
import Locking

/// How many queues may have a thread of their own at once.
final class ThreadPlaces: Sendable {
  /// Those of all hosts.
  static let all = ThreadPlaces(limit: 128)

  let limit: Int
  private let taken = Locked(0)

  init(limit: Int) { self.limit = limit }

  /// Places that are not free.
  var count: Int { taken.withLock { $0 } }

  /// - Returns: whether there was one left.
  func take() -> Bool {
    taken.withLock { taken in
      if taken >= limit { return false }
      taken += 1
      return true
    }
  }

  func giveBack() { taken.withLock { $0 -= 1 } }
}
