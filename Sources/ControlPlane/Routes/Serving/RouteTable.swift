// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Routes, with a router that finds them. A route's position in the table is the router's number of
/// it.
struct RouteTable: Sendable {
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
