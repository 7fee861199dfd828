// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// How many times took how long, in buckets. Any thread may add, and any may look.
final class LatencyHistogram: Sendable {
  /// The upper bounds of the buckets in nanoseconds, each some two to three times the one before;
  /// behind the last one is a bucket without a bound.
  static let bounds: [UInt64] = [
    10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000, 1_000_000_000,
    2_500_000_000, 5_000_000_000, 10_000_000_000,
  ]

  private let buckets = InlineArray<20, Atomic<UInt64>> { _ in Atomic(0) }
  private let sum = Atomic<UInt64>(0)

  init() { precondition(LatencyHistogram.bounds.count == 19, "each bound has a bucket") }

  /// Counts a time.
  func add(nanoseconds: UInt64) {
    var index = 0
    while index < LatencyHistogram.bounds.count, nanoseconds > LatencyHistogram.bounds[index] {
      index += 1
    }
    buckets[index].add(1, ordering: .relaxed)
    sum.add(nanoseconds, ordering: .relaxed)
  }

  /// The lines of a histogram in the text format of Prometheus, in seconds.
  ///
  /// - Parameter labels: of all lines, written out; empty without any.
  func samples(_ labels: String) -> [Metric.Sample] {
    let separator = labels.isEmpty ? "" : ","
    var samples: [Metric.Sample] = []
    var count: UInt64 = 0
    for index in 0..<20 {
      count &+= buckets[index].load(ordering: .relaxed)
      let isLast = index == LatencyHistogram.bounds.count
      let bound = isLast ? "+Inf" : Metric.seconds(LatencyHistogram.bounds[index])
      samples.append(
        .init("_bucket", labels + separator + "le=\"\(bound)\"", "\(count)"))
    }
    samples.append(.init("_sum", labels, Metric.seconds(sum.load(ordering: .relaxed))))
    samples.append(.init("_count", labels, "\(count)"))
    return samples
  }
}
