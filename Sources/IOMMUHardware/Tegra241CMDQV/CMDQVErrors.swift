// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Which queues have an error, and which interfaces' interrupts are masked.
///
/// An interrupt is an edge: every occurrence of an error is one. Of a masked interface it is
/// remembered, once, and comes when the mask goes.
final class CMDQVErrors: Sendable {
  private let queues = InlineArray<2, Atomic<UInt64>> { _ in Atomic(0) }
  private let masked = Atomic<UInt64>(0)
  private let latched = Atomic<UInt64>(0)

  // MARK: The map of queues

  /// CMDQ_ERR_MAP, 64 queues at a time.
  func queueMap(_ word: Int) -> UInt64 { queues[word & 1].load(ordering: .acquiring) }

  func hasError(_ queue: Int) -> Bool { queueMap(queue >> 6).bit(queue & 63) }

  /// To be called by who holds the queue's lock.
  func set(_ queue: Int, _ hasError: Bool) {
    let bit = UInt64(1) << UInt64(queue & 63)
    let word = queue >> 6 & 1
    let isSet = queues[word].load(ordering: .relaxed) & bit != 0
    if isSet == hasError { return }
    if hasError {
      queues[word].bitwiseOr(bit, ordering: .acquiringAndReleasing)
    } else {
      queues[word].bitwiseAnd(~bit, ordering: .acquiringAndReleasing)
    }
  }

  // MARK: Interrupts

  /// VI_INT_MASK.
  var mask: UInt64 { masked.load(ordering: .acquiring) }

  /// Writes VI_INT_MASK's half.
  ///
  /// - Returns: how many interrupts were waiting for it.
  func writeMask(_ word: Int, _ value: UInt32) -> Int {
    let shift = UInt64(word & 1) * 32
    let bits = UInt64(value) << shift
    let half = UInt64(0xffff_ffff) << shift
    masked.bitwiseOr(bits, ordering: .sequentiallyConsistent)
    masked.bitwiseAnd(bits | ~half, ordering: .sequentiallyConsistent)
    return take(half & ~bits).nonzeroBitCount
  }

  /// Notes an occurrence of an error.
  ///
  /// - Returns: whether there is an interrupt now.
  func raise(_ vintf: Int) -> Bool {
    let bit = UInt64(1) << UInt64(vintf & 63)
    if masked.load(ordering: .sequentiallyConsistent) & bit == 0 { return true }
    latched.bitwiseOr(bit, ordering: .sequentiallyConsistent)
    // The mask may have gone since it was looked at, with nobody to find what was latched.
    if masked.load(ordering: .sequentiallyConsistent) & bit != 0 { return false }
    return take(bit) != 0
  }

  /// Forgets what was latched for an interface that is switched off.
  func forget(_ vintf: Int) { _ = take(1 << UInt64(vintf & 63)) }

  private func take(_ bits: UInt64) -> UInt64 {
    latched.bitwiseAnd(~bits, ordering: .sequentiallyConsistent).oldValue & bits
  }
}
