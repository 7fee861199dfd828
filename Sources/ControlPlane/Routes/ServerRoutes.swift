// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import Locking

/// Routes that are about the server, and about no host.
enum ServerRoutes {
  static let all: [RouteTable.Route] = [
    .init(
      .get, "/livez",
      Endpoint("getLiveness", on: .open, .answer { _ in alive })),
    .init(
      .get, "/readyz",
      Endpoint(
        "getReadiness", on: .open,
        .answer { call throws(Problem) in
          if call.api.isDraining { throw Problem(.draining, "the server is about to stop") }
          return alive
        })),
    .init(.get, "/version", Endpoint("getVersion", on: .server, .answer { version($0.api) })),
    .init(
      .get, "/metrics", Endpoint("getMetrics", on: .everyHost, .answer { metrics($0.api) })),
    .init(
      .get, "/openapi.yaml",
      Endpoint(
        "getOpenAPIYAML", on: .server,
        .answer { document($0.api.configuration.openAPI.yaml, MediaType.yaml) })),
    .init(
      .get, "/openapi.json",
      Endpoint(
        "getOpenAPIJSON", on: .server,
        .answer { document($0.api.configuration.openAPI.json, MediaType.json) })),
  ]

  private static let alive = Response.object(capacity: 32) { $0.field("status", text: "ok") }

  private static func document(_ bytes: [UInt8], _ type: String) -> Response {
    Response(status: 200, headers: [(.contentType, type)], body: .bytes(bytes))
  }

  private static func version(_ api: ControlPlane) -> Response {
    let limits = api.configuration.limits
    return .object { writer in
      writer.field("name", text: "viommud")
      writer.field("version", text: api.configuration.version)
      writer.field("api", text: "v1")
      writer.key("drivers")
      writer.array(of: api.configuration.models) { $0.text($1.name) }
      writer.key("limits")
      writer.object { writer in
        writer.field("body_bytes", int: limits.body)
        writer.field("header_bytes", int: limits.headers)
        writer.field("uri_bytes", int: limits.target)
        writer.field("json_depth", int: limits.jsonDepth)
        writer.field("batch_operations", int: limits.batch)
        writer.field("streams", int: limits.streams)
        writer.field("connections", int: limits.connections)
        writer.field("idle_seconds", int: limits.idleSeconds)
        writer.field("header_seconds", int: limits.headerSeconds)
        writer.field("body_seconds", int: limits.bodySeconds)
        writer.field("retained_events", int: api.configuration.retainedEvents)
        writer.field("retained_event_bytes", int: api.configuration.retainedBytes)
        writer.field("hosts", int: HostRegistry.limit)
      }
    }
  }

  private static func metrics(_ api: ControlPlane) -> Response {
    let configuration = api.configuration
    let text = Metric.exposition(
      configuration.serverMetrics()
        + api.operations.metrics(backlog: configuration.workers?.backlog ?? 0)
        + Metric.ofHosts(api.hosts.all))
    return Response(
      status: 200, headers: [(.contentType, MediaType.text)], body: .bytes(Array(text.utf8)))
  }
}
