// SPDX-License-Identifier: Apache-2.0
import Conformance

/// Plays traces on several connections at the same time.
struct Workers: Sendable {
  let address: ServerAddress
  let pinPolicy: TracePlayer.PinPolicy
  let keepsHosts: Bool

  /// Plays the traces.
  ///
  /// - Parameters:
  ///   - jobs: on how many connections to play at the same time.
  ///   - report: is given the results in the order of the traces, each as soon as it and all before
  ///     it are there.
  func play(
    _ traces: [Trace], jobs: Int, _ report: (TraceResult) -> Void
  ) async throws {
    try await withThrowingTaskGroup(of: [(Int, TraceResult)].self) { group in
      var results = [TraceResult?](repeating: nil, count: traces.count)
      var reported = 0
      var nextBatch = 0
      func addBatch() {
        guard nextBatch < traces.count else { return }
        let batch = nextBatch..<min(nextBatch + batchSize, traces.count)
        nextBatch = batch.upperBound
        group.addTask { try playBatch(traces, batch) }
      }
      for _ in 0..<jobs { addBatch() }
      while let batch = try await group.next() {
        addBatch()
        for (index, result) in batch { results[index] = result }
        while reported < results.count, let result = results[reported] {
          report(result)
          reported += 1
        }
      }
    }
  }

  /// How many traces are played on one connection before it is closed.
  private var batchSize: Int { 25 }

  private func playBatch(
    _ traces: [Trace], _ batch: Range<Int>
  ) throws -> [(Int, TraceResult)] {
    let player = TracePlayer(
      HTTPTransport(address), pinPolicy: pinPolicy, keepsHosts: keepsHosts)
    return try batch.map { index in (index, try player.play(traces[index])) }
  }
}
