// SPDX-License-Identifier: Apache-2.0
public import HTTPCore
import IOMMUFD

/// All routes of the server. Each group of them is kept in a type that is named after what they are
/// about.
enum Routes {
  /// Routes that are about no host in particular. Their patterns are whole paths.
  static let outside = RouteTable(ServerRoutes.all + HostRoutes.all + DecoderRoutes.all)

  /// Routes of a host. Their patterns are relative to `/v1` or to `/v1/hosts/{host}`.
  static let ofHost = RouteTable(
    Resource.all.flatMap { CollectionRoutes.routes(of: $0) + PinRoutes.routes(of: $0) }
      + ContextRoutes.all + DeviceRoutes.all
      + RegisterRoutes.all + MemoryRoutes.all + GuestCommandRoutes.all + AddressSpaceRoutes.all
      + AccessRoutes.all + EventQueueRoutes.all + WholeHostRoutes.all)

  /// Every operation of the API, with the path that the OpenAPI document has for it.
  static var all: [RouteTable.Route] {
    outside.routes
      + ofHost.routes.map { RouteTable.Route($0.method, "/v1" + $0.pattern, $0.endpoint) }
  }
}

extension ControlPlane {
  /// An operation of the API as the OpenAPI document names it.
  public struct OperationName: Hashable, Sendable {
    /// The method, in capitals: `GET`.
    public let method: String
    /// The template of the path: `/v1/devices/{id}`.
    public let path: String
    /// The operation's name, which is unique.
    public let operationID: String
    /// The names of its query parameters.
    public let query: [String]
    /// Whether it takes a body.
    public let hasBody: Bool
    /// The scope that a token needs; nil for what needs no token.
    public let scope: Token.Scope?
  }

  /// All operations of the API. The OpenAPI document has the same ones.
  public static var operations: [OperationName] {
    Routes.all.map { route in
      OperationName(
        method: route.method.rawValue, path: route.pattern,
        operationID: route.endpoint.operationID, query: route.endpoint.query,
        hasBody: route.endpoint.body != .none,
        scope: route.endpoint.reach == .open ? nil : route.endpoint.scope)
    }
  }
}
