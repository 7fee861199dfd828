// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

@testable import ControlPlane
@testable import IOMMUFD

/// Thousands of requests from a seed, and what must hold whatever they are.
///
/// `VIOMMU_FUZZ_STEPS` sets how many there are, `VIOMMU_FUZZ_SEED` where they start.
@Suite struct OperationFuzzTests {
  static let steps = setting("VIOMMU_FUZZ_STEPS") ?? 28_000
  static let seed = setting("VIOMMU_FUZZ_SEED") ?? 1
  /// Requests to one host before a fresh one takes its place.
  static let runLength = 2_000

  private static func setting(_ name: String) -> Int? {
    unsafe getenv(name).flatMap { unsafe Int(String(cString: $0)) }
  }

  @Test(arguments: ObjectCore.PinPolicy.allCases)
  func refusalsChangeNothingAndTheSameRequestsGiveTheSameHost(
    _ policy: ObjectCore.PinPolicy
  ) throws {
    var left = OperationFuzzTests.steps / 2
    var seed = UInt64(OperationFuzzTests.seed)
    var types: Set<String> = []
    while left > 0 {
      let count = min(left, OperationFuzzTests.runLength)
      var run = try FuzzRun(seed: seed, policy: policy)
      try run.take(count)
      try run.finish()
      if !run.faults.isEmpty {
        Issue.record("seed \(seed), \(policy): \(run.faults.prefix(5).joined(separator: "\n"))")
        return
      }
      types.formUnion(run.types)
      left -= count
      seed += 1
    }
    // Requests that never get anywhere would prove nothing.
    guard OperationFuzzTests.steps >= 20_000 else { return }
    let changing: [ObjectKind] = [.context, .ioas, .domain, .veventq, .faultQueue, .access]
    // What the hardware tells is another test's: it needs tables that a guest has written.
    let unexpected: [EventType] = [
      .smmuCommand, .smmuSTEWritten, .smmuStaleTranslation, .smmuGlobalError, .smmuEventsLost,
      .smmuInterrupt, .smmuStallAnswered,
    ]
    let expected = EventType.all.filter { type in
      if case .updated(let kind) = type {
        changing.contains(kind)
      } else {
        !unexpected.contains(type)
      }
    }
    for type in expected { #expect(types.contains(type.name), "no \(type.name) in any log") }
  }
}
