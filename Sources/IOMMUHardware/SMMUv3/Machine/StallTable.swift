// SPDX-License-Identifier: Apache-2.0

/// The transactions that wait for software, in the order of their tags.
struct StallTable: Sendable {
  private struct Stall: Sendable {
    var stag: UInt16
    var transaction: DeviceTransaction
  }

  private var stalls: [Stall] = []
  private var next: UInt16 = 0

  var count: Int { stalls.count }

  /// Keeps a transaction.
  ///
  /// - Returns: what a RESUME has to name; nil when `limit` transactions wait already.
  mutating func add(_ transaction: DeviceTransaction, limit: Int) -> UInt16? {
    guard stalls.count < min(limit, 0xffff) else { return nil }
    while stalls.contains(where: { $0.stag == next }) { next &+= 1 }
    stalls.append(Stall(stag: next, transaction: transaction))
    next &+= 1
    return stalls.last?.stag
  }

  mutating func remove(_ stream: UInt32, stag: UInt16) -> DeviceTransaction? {
    let found = stalls.firstIndex { $0.stag == stag && $0.transaction.streamID == stream }
    return found.map { stalls.remove(at: $0).transaction }
  }

  mutating func removeAll(of stream: UInt32) -> [(stag: UInt16, transaction: DeviceTransaction)] {
    let removed = stalls.filter { $0.transaction.streamID == stream }
    stalls.removeAll { $0.transaction.streamID == stream }
    return removed.map { ($0.stag, $0.transaction) }
  }
}
