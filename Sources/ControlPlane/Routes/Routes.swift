// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The table of routes.
///
/// Patterns of a host's routes are relative to `/v1` or to `/v1/hosts/{host}`.
enum Routes {
  /// Routes and what is behind them.
  struct Table: Sendable {
    struct Route: Sendable {
      let method: HTTPCore.Method
      let pattern: String
      let endpoint: Endpoint

      init(_ method: HTTPCore.Method, _ pattern: String, _ endpoint: Endpoint) {
        self.method = method
        self.pattern = pattern
        self.endpoint = endpoint
      }
    }

    let routes: [Route]
    let router: Router

    init(_ routes: [Route]) {
      self.routes = routes
      router = Router(routes.map { Router.Route($0.method, $0.pattern) })
    }
  }

  /// Routes that are about no single host.
  static let outside = Table(meta + hosts + decoders)

  /// Routes of a host.
  static let ofHost = Table(
    Resource.all.flatMap(routes) + contexts + devices + hardware + addressSpaces + accesses
      + queues + whole)

  /// Every operation of the API, with the path that the OpenAPI document has for it.
  static var all: [Table.Route] {
    outside.routes
      + ofHost.routes.map { Table.Route($0.method, "/v1" + $0.pattern, $0.endpoint) }
  }
}

extension ControlPlane {
  /// An operation of the API as the OpenAPI document names it.
  public struct OperationName: Hashable, Sendable {
    public let method: String
    public let path: String
    public let operationID: String
    /// The names of its query parameters.
    public let query: [String]
    public let hasBody: Bool
  }

  /// All operations of the API; the OpenAPI document has the same.
  public static var operations: [OperationName] {
    Routes.all.map { route in
      OperationName(
        method: route.method.rawValue, path: route.pattern,
        operationID: route.endpoint.operationID, query: route.endpoint.query,
        hasBody: route.endpoint.body != .none)
    }
  }
}
