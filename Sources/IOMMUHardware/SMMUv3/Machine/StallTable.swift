// SPDX-License-Identifier: Apache-2.0

/// The transactions that are stalled and wait for software, in the order in which they came.
struct StallTable: Sendable {
  /// A stalled transaction and its tag.
  private struct Stall: Sendable {
    /// The tag by which a RESUME names it.
    var stag: UInt16
    /// The transaction.
    var transaction: DeviceTransaction
  }

  private var stalls: [Stall] = []
  /// The tag that is tried next.
  private var next: UInt16 = 0

  /// How many transactions are stalled.
  var count: Int { stalls.count }

  /// Stalls a transaction.
  ///
  /// - Parameter limit: the most transactions that may be stalled (IDR5.STALL_MAX).
  /// - Returns: the tag that a RESUME has to name; nil if `limit` transactions are stalled already.
  mutating func add(_ transaction: DeviceTransaction, limit: Int) -> UInt16? {
    guard stalls.count < min(limit, 0xffff) else { return nil }
    while stalls.contains(where: { $0.stag == next }) { next &+= 1 }
    stalls.append(Stall(stag: next, transaction: transaction))
    next &+= 1
    return stalls.last?.stag
  }

  /// Takes out a stream's transaction by its tag; nil if there is none.
  mutating func remove(_ stream: UInt32, stag: UInt16) -> DeviceTransaction? {
    let found = stalls.firstIndex { $0.stag == stag && $0.transaction.streamID == stream }
    return found.map { stalls.remove(at: $0).transaction }
  }

  /// Takes out all transactions of a stream.
  mutating func removeAll(of stream: UInt32) -> [(stag: UInt16, transaction: DeviceTransaction)] {
    let removed = stalls.filter { $0.transaction.streamID == stream }
    stalls.removeAll { $0.transaction.streamID == stream }
    return removed.map { ($0.stag, $0.transaction) }
  }
}
