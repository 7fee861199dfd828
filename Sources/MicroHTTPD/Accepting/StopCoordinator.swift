// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Has the listeners closed once all loops have answered what was there when the stop began: until
/// then the server goes on accepting, so that nobody is refused whose request can still be served.
final class StopCoordinator: Sendable {
  private let left: Atomic<Int>
  private let whenAllAreDone: @Sendable () -> Void

  init(loops: Int, whenAllAreDone: @escaping @Sendable () -> Void) {
    left = Atomic(loops)
    self.whenAllAreDone = whenAllAreDone
  }

  /// A loop has nothing left from before the stop, or no time. Each says so once.
  func loopIsDone() {
    if left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { whenAllAreDone() }
  }
}
