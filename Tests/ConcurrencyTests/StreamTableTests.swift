// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Testing

@testable import MockDriver
@testable import SMMUDriver

/// The lock between events and attaches, taken by hand.
@Suite("An attach waits for the event that is on its way", .serialized)
struct StreamTableTests {
  /// Whether a change that begins on another thread while a stream is being looked at is still
  /// under way when the look ends, however long that takes.
  static func isHeldUp(
    by look: (() -> Void) -> Void, _ change: @escaping @Sendable () -> Void
  ) -> Bool {
    let (isBefore, isPending) = (Flag(), Flag())
    let changing = DispatchGroup()
    DispatchQueue.global().async(group: changing) {
      while isBefore.isUp {}
      change()
      isPending.lower()
    }
    var wasPending = true
    look {
      isBefore.lower()
      for _ in 0..<1_000_000 where wasPending { wasPending = isPending.isUp }
    }
    changing.wait()
    return wasPending
  }

  @Test("52. A stream of an SMMUv3 does not change while an event goes to its vIOMMU")
  func smmu() {
    let table = StreamTable()
    let isHeldUp = StreamTableTests.isHeldUp(
      by: { body in table.withStream(1) { _ in body() } }, { table.set(nil, for: [1]) })
    #expect(isHeldUp)
  }

  @Test("52. A stream of the mock does not change while an event goes to its vIOMMU")
  func mock() {
    let table = MockStreamTable()
    let isHeldUp = StreamTableTests.isHeldUp(
      by: { body in table.withStream(1) { _ in body() } }, { table.set(nil, for: [1]) })
    #expect(isHeldUp)
  }
}
