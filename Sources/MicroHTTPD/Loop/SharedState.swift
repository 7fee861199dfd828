// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// What the loops of one server have in common: limits that count for all of them together, and
/// whom they tell when something has come free or is done.
final class SharedState: Sendable {
  private let streamCount = Atomic<Int>(0)
  private let onFree = LockedFunction<Void, Void>()
  private let onDone = LockedFunction<Void, Void>()

  /// Says whom the loops tell. Before they run.
  ///
  /// - Parameters:
  ///   - somethingCameFree: called when a connection has ended or a descriptor was closed.
  ///   - loopIsDone: called once by each loop, when it has nothing left from before a stop.
  func connect(
    somethingCameFree: @escaping @Sendable () -> Void, loopIsDone: @escaping @Sendable () -> Void
  ) {
    onFree.set { somethingCameFree() }
    onDone.set { loopIsDone() }
  }

  /// Forgets whom to tell: the acceptor holds the loops.
  func disconnect() {
    onFree.set(nil)
    onDone.set(nil)
  }

  func somethingCameFree() { onFree(()) }

  func loopIsDone() { onDone(()) }

  /// Takes a place among the open streams.
  ///
  /// - Returns: false when there are `limit` already.
  func openStream(limit: Int) -> Bool {
    if streamCount.add(1, ordering: .relaxed).newValue <= limit { return true }
    closeStream()
    return false
  }

  /// Gives the place of a stream back.
  func closeStream() { streamCount.subtract(1, ordering: .relaxed) }
}
