// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import Locking
import MicroHTTPD

/// The metrics in `/metrics` that are about the HTTP server.
enum Metrics {
  /// Reads the metrics. It is set once the server is there, because the API is made before the
  /// server.
  static let source = LockedFunction<Void, [Metric]>()

  /// A metric, and the counters that it shows by their labels.
  private struct Row {
    let name: String
    let kind: Metric.Kind
    let help: String
    let samples: [(labels: String, counter: ServerCounter)]

    init(_ name: String, _ kind: Metric.Kind, _ help: String, _ counter: ServerCounter) {
      self.init(name, kind, help, [("", counter)])
    }

    init(
      _ name: String, _ kind: Metric.Kind, _ help: String,
      _ samples: [(labels: String, counter: ServerCounter)]
    ) {
      self.name = "viommud_http_" + name
      self.kind = kind
      self.help = help
      self.samples = samples
    }
  }

  private static let rows = [
    Row("connections_total", .counter, "Connections accepted.", .connectionsAccepted),
    Row("connections", .gauge, "Connections open.", .connectionsOpen),
    Row(
      "accept_pauses_total", .counter,
      "Times that accepting waited for room among the connections or for a descriptor.",
      .acceptPauses),
    Row(
      "slow_turns_total", .counter,
      "Turns of a serving thread that took more than 10 ms, while its other clients waited.",
      .slowTurns),
    Row("requests_total", .counter, "Requests read.", .requests),
    Row(
      "requests_refused_total", .counter, "Requests refused for their framing or a limit.",
      .requestsRefused),
    Row(
      "responses_total", .counter, "Responses by class.",
      [
        ("class=\"2xx\"", .responses2xx), ("class=\"3xx\"", .responses3xx),
        ("class=\"4xx\"", .responses4xx), ("class=\"5xx\"", .responses5xx),
      ]),
    Row("streams_total", .counter, "Streams started.", .streamsStarted),
    Row("streams", .gauge, "Streams open.", .streamsOpen),
    Row("sent_bytes_total", .counter, "Bytes of response bodies.", .bodyBytesSent),
  ]

  static func of(_ counters: ServerCounters) -> [Metric] {
    rows.map { row in
      Metric(
        row.name, row.kind, row.help,
        row.samples.map { ($0.labels, Int(clamping: counters[$0.counter])) })
    }
  }
}
