// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// Numbers of one kind that the hardware has few of: VMIDs, ASIDs, virtual interfaces, SID slots.
///
/// What a transaction takes or gives back is undone with the transaction. Used under the host's
/// lock.
final class NumberPool {
  private var numbers: LowestFreeAllocator
  private let limit: Int
  /// What a refusal says when no number is left, and the field of the request that it blames.
  private let exhausted: Refusal

  /// - Parameters:
  ///   - first: the lowest number.
  ///   - limit: how many numbers there are, from 0 on.
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
