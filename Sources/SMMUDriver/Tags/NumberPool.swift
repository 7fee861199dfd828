// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// Hands out the numbers of one kind of which the hardware has few: VMIDs, ASIDs, virtual
/// interfaces or SID slots.
///
/// If a transaction is rolled back, what it took or gave back is undone. A pool is used under the
/// host's lock.
final class NumberPool {
  private var numbers: LowestFreeAllocator
  private let limit: Int
  /// The refusal when no number is left.
  private let exhausted: Refusal

  /// - Parameters:
  ///   - first: the lowest number.
  ///   - limit: how many numbers there are; it may be 0.
  ///   - field: the field of a request that is to blame when no number is left.
  ///   - exhausted: what the refusal says then.
  init(from first: UInt32, limit: Int, field: String? = nil, exhausted: String) {
    numbers = LowestFreeAllocator(first...(first + UInt32(max(limit, 1)) - 1))
    self.limit = limit
    self.exhausted = Refusal(.ENOSPC, field: field, exhausted)
  }

  /// How many numbers are taken.
  var count: Int { numbers.count }

  /// Takes the lowest free number.
  ///
  /// - Throws: `ENOSPC` when none is left.
  func take(in transaction: Transaction) throws(Refusal) -> UInt32 {
    guard count < limit, let number = numbers.allocate() else { throw exhausted }
    transaction.onRollback { [self] in numbers.free(number) }
    return number
  }

  /// Gives a number back.
  func giveBack(_ number: UInt32, in transaction: Transaction) {
    numbers.free(number)
    transaction.onRollback { [self] in numbers.take(number) }
  }
}
