// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What sort of operation a request is, as far as its time is concerned.
enum OperationClass: Int, Sendable, CaseIterable {
  /// Looks at a host.
  case read
  /// Changes something on a host.
  case change
  /// Many changes in one.
  case batch
  /// Makes, resets or ends a host.
  case host
  /// Is about the server.
  case server

  /// The same where a request is about no host's objects.
  var ofServer: OperationClass { self == .host ? .host : .server }
}

/// Counts what became of requests, and how long they took from their arrival at the control plane
/// to their answer, the wait for their host included.
final class OperationMetrics: Sendable {
  /// Why a request was left for a worker.
  enum Deferral: Sendable {
    /// Its host was at another one.
    case busy
    /// It might have taken long.
    case long
  }

  private let latencies = OperationClass.allCases.map { _ in LatencyHistogram() }
  private let waits = LatencyHistogram()
  private let busy = Atomic<UInt64>(0)
  private let long = Atomic<UInt64>(0)

  func add(nanoseconds: UInt64, of kind: OperationClass) {
    latencies[kind.rawValue].add(nanoseconds: nanoseconds)
  }

  /// Counts how long a request waited for its host, or for a worker.
  func add(nanosecondsOfWait: UInt64) { waits.add(nanoseconds: nanosecondsOfWait) }

  func add(_ deferral: Deferral) {
    switch deferral {
    case .busy: busy.add(1, ordering: .relaxed)
    case .long: long.add(1, ordering: .relaxed)
    }
  }

  /// - Parameter backlog: how many pieces of work no worker has begun yet.
  func metrics(backlog: Int) -> [Metric] {
    [
      Metric(
        "viommud_operation_seconds", .histogram,
        "Time from the arrival of a request to its answer.",
        zip(OperationClass.allCases, latencies).flatMap { kind, histogram in
          histogram.samples("class=\"\(kind)\"")
        }),
      Metric(
        "viommud_operation_wait_seconds", .histogram,
        "Time that a deferred request waited for its host or for a worker.", waits.samples("")),
      Metric(
        "viommud_requests_deferred_total", .counter,
        "Requests left for a worker: their host was busy, or they might take long.",
        [
          ("reason=\"busy\"", Int(clamping: busy.load(ordering: .relaxed))),
          ("reason=\"long\"", Int(clamping: long.load(ordering: .relaxed))),
        ]),
      Metric(
        "viommud_worker_queue", .gauge, "Pieces of work that no worker has begun yet.", backlog),
    ]
  }
}
