// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import Locking
import MicroHTTPD

/// The server's share of `/metrics`.
enum Metrics {
  /// Set once the server is there: the API is made before it.
  static let source = LockedFunction<Void, [Metric]>()

  static func of(_ counters: ServerCounters) -> [Metric] {
    [
      Metric(
        "viommud_http_connections_total", .counter, "Connections accepted.",
        Int(counters.connectionsAccepted)),
      Metric(
        "viommud_http_connections", .gauge, "Connections open.", Int(counters.connectionsOpen)),
      Metric("viommud_http_requests_total", .counter, "Requests read.", Int(counters.requests)),
      Metric(
        "viommud_http_requests_refused_total", .counter,
        "Requests refused for their framing or a limit.", Int(counters.requestsRefused)),
      Metric(
        "viommud_http_responses_total", .counter, "Responses by class.",
        [
          ("class=\"2xx\"", Int(counters.responses2xx)),
          ("class=\"3xx\"", Int(counters.responses3xx)),
          ("class=\"4xx\"", Int(counters.responses4xx)),
          ("class=\"5xx\"", Int(counters.responses5xx)),
        ]),
      Metric(
        "viommud_http_streams_total", .counter, "Streams started.", Int(counters.streamsStarted)),
      Metric("viommud_http_streams", .gauge, "Streams open.", Int(counters.streamsOpen)),
      Metric(
        "viommud_http_sent_bytes_total", .counter, "Bytes of response bodies.",
        Int(counters.bodyBytesSent)),
    ]
  }
}
