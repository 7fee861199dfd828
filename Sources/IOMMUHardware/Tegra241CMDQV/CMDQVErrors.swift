// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Which queues have an error, and which interfaces' interrupts are masked.
///
/// The interrupt is an edge, and every occurrence of an error is one (`tegra241_cmdqv_isr` relies
/// on that). While the interrupt of an interface is masked, its errors are remembered as one
/// interrupt, which comes when the mask is taken away.
final class CMDQVErrors: Sendable {
  /// The bits of CMDQ_ERR_MAP, one for each queue by its global number.
  private let queues = InlineArray<2, Atomic<UInt64>> { _ in Atomic(0) }
  /// The bits of VI_INT_MASK: interfaces whose interrupt is held back.
  private let masked = Atomic<UInt64>(0)
  /// The interfaces that had an error while they were masked.
  private let latched = Atomic<UInt64>(0)

  // MARK: The map of queues

  /// A half of CMDQ_ERR_MAP: the bits of the 64 queues from number `64 * word` on.
  ///
  /// - Parameter word: 0 or 1.
  func queueMap(_ word: Int) -> UInt64 { queues[word & 1].load(ordering: .acquiring) }

  /// Whether the bit of a queue, by its global number, is set.
  func hasError(_ queue: Int) -> Bool { queueMap(queue >> 6).bit(queue & 63) }

  /// Sets or clears the bit of a queue. The caller holds the queue's lock, so that the bit follows
  /// the queue's registers in order.
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

  /// VI_INT_MASK: a bit for each interface; 1 is masked.
  var mask: UInt64 { masked.load(ordering: .acquiring) }

  /// Writes one of VI_INT_MASK's two registers.
  ///
  /// - Parameter word: 0 for interfaces 0 to 31, 1 for 32 to 63.
  /// - Returns: how many interrupts were held back by bits that are now clear. The caller raises
  ///   them.
  func writeMask(_ word: Int, _ value: UInt32) -> Int {
    let shift = UInt64(word & 1) * 32
    let bits = UInt64(value) << shift
    let half = UInt64(0xffff_ffff) << shift
    masked.bitwiseOr(bits, ordering: .sequentiallyConsistent)
    masked.bitwiseAnd(bits | ~half, ordering: .sequentiallyConsistent)
    return take(half & ~bits).nonzeroBitCount
  }

  /// Notes that an error has occurred on a queue of an interface.
  ///
  /// - Returns: whether the interrupt is to be raised now; if not, it is masked and comes later.
  func raise(_ vintf: Int) -> Bool {
    let bit = UInt64(1) << UInt64(vintf & 63)
    if masked.load(ordering: .sequentiallyConsistent) & bit == 0 { return true }
    latched.bitwiseOr(bit, ordering: .sequentiallyConsistent)
    // The mask may have been taken away since it was read, before the bit above was there for
    // `writeMask` to find. So it is read again.
    if masked.load(ordering: .sequentiallyConsistent) & bit != 0 { return false }
    return take(bit) != 0
  }

  /// Forgets the interrupt that is held back for an interface, because the interface is switched
  /// off.
  func forget(_ vintf: Int) { _ = take(1 << UInt64(vintf & 63)) }

  /// Clears some of the bits that are remembered, and returns those of them that were set.
  private func take(_ bits: UInt64) -> UInt64 {
    latched.bitwiseAnd(~bits, ordering: .sequentiallyConsistent).oldValue & bits
  }
}
