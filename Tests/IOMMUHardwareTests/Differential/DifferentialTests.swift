// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import IOMMUHardware

/// The machine against a second one that was written from the facts alone and only translates.
///
/// `VIOMMU_WALK_ACCESSES` sets how many transactions are compared, `VIOMMU_WALK_SEED` which world
/// is the first; the seed that a difference names, with one world's transactions, shows it again.
/// A million, with what came of them:
///
///     VIOMMU_WALK_ACCESSES=1000000 swift test -c release -Xswiftc -enable-testing \
///       --filter DifferentialTests
@Suite struct DifferentialTests {
  /// Transactions in one world.
  private static let perWorld = 24
  private static let wanted = setting("VIOMMU_WALK_ACCESSES")
  private static let seed = UInt64(setting("VIOMMU_WALK_SEED") ?? 1)

  private static func setting(_ name: String) -> Int? {
    unsafe getenv(name).flatMap { unsafe Int(String(cString: $0)) }
  }

  @Test func `the machine translates as the reference does, without caches and with them`() {
    var differential = Differential()
    var seed = DifferentialTests.seed
    let count = DifferentialTests.wanted ?? 20_000
    while differential.accesses < count {
      let left = count - differential.accesses
      differential.run(seed: seed, count: min(left, DifferentialTests.perWorld))
      seed += 1
    }
    for difference in differential.differences.values { Issue.record("\(difference)") }
    if count >= 20_000 { DifferentialTests.expectCoverage(differential.classes) }
    if DifferentialTests.wanted == nil { return }
    print("\(differential.accesses) transactions, \(differential.comparisons) comparisons")
    for (name, count) in differential.classes.sorted(by: { $0.key < $1.key }) {
      print("\(count)\t\(name)")
    }
  }

  /// Worlds in which nothing gets far would prove nothing.
  private static func expectCoverage(_ classes: [String: Int]) {
    var expected: Set = [
      "silent abort", "translated by no stage", "C_BAD_STREAMID", "F_STE_FETCH", "C_BAD_STE",
      "F_BAD_ATS_TREQ", "F_STREAM_DISABLED", "F_TRANSL_FORBIDDEN", "C_BAD_SUBSTREAMID",
      "F_CD_FETCH", "C_BAD_CD", "F_WALK_EABT S1 TT", "F_PERMISSION S2 TT write",
    ]
    for name in ["F_TRANSLATION", "F_ADDR_SIZE", "F_ACCESS", "F_PERMISSION"] {
      for stage in ["S1 IN", "S2 CD", "S2 TT", "S2 IN"] { expected.insert("\(name) \(stage)") }
    }
    for faultClass in ["CD", "TT", "IN"] { expected.insert("F_WALK_EABT S2 \(faultClass)") }
    // Pages and blocks of every granule in either stage, and pages of every granule under those
    // of every other.
    for size in [12, 21, 30, 14, 25, 16, 29] {
      expected.formUnion(["translated S1 2^\(size)", "translated S2 2^\(size)"])
    }
    for first in [12, 14, 16] {
      for second in [12, 14, 16] { expected.insert("translated S1 2^\(first) S2 2^\(second)") }
    }
    for name in expected.sorted() where classes[name] == nil { Issue.record("no \(name)") }
  }
}
