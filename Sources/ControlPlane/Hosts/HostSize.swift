// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import Synchronization

/// How much there is on a host, as of its last commit. Any thread may look, without the host's
/// lock: `/metrics` and listings must not wait for a host, and neither must the estimate of how
/// long an operation takes.
final class HostSize: Sendable {
  private static let kinds = ObjectKind.allCases

  private let counts = InlineArray<11, Atomic<Int>> { _ in Atomic(0) }
  private let areas = Atomic<Int>(0)

  init() { precondition(ObjectKind.allCases.count == 11, "each kind has a count") }

  /// Takes over what there is. Under the host's lock.
  func update(_ core: ObjectCore) {
    for index in 0..<11 {
      counts[index].store(core.count(HostSize.kinds[index]), ordering: .relaxed)
    }
    areas.store(core.areaCount, ordering: .relaxed)
  }

  /// How many objects of each kind there are.
  var objects: [(kind: ObjectKind, count: Int)] {
    HostSize.kinds.enumerated().map { ($1, counts[$0].load(ordering: .relaxed)) }
  }

  /// Objects and mapped ranges together: what an operation may have to go through at most.
  var total: Int {
    var sum = areas.load(ordering: .relaxed)
    for index in 0..<11 { sum += counts[index].load(ordering: .relaxed) }
    return sum
  }
}
