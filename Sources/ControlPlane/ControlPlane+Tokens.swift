// SPDX-License-Identifier: Apache-2.0
import HTTPCore

extension ControlPlane {
  /// Finds the endpoint for a request that its token has to allow.
  ///
  /// A request without a token gets the same refusal whatever its path and its method are, so that
  /// it does not tell which of them exist.
  func route(_ head: RequestHead, admittedBy tokens: TokenGuard) throws(Problem) -> Route {
    let route = Result { () throws(Problem) in try self.route(head) }
    if case .success(.endpoint(let found)) = route, found.endpoint.reach == .open {
      return .endpoint(found)
    }
    let token = try tokens.admit(head)
    let found: Route = try route.get()
    guard case .endpoint(var endpoint) = found else { return found }
    try token.require(endpoint.endpoint.scope, on: endpoint.subject(in: head.target))
    endpoint.token = token
    return .endpoint(endpoint)
  }

  /// The response, whose stream ends as soon as its token no longer allows it.
  func watch(_ response: Response, _ found: Found, _ target: Target) -> Response {
    guard let tokens = configuration.tokens, let token = found.token,
      case .stream(let source) = response.body
    else { return response }
    var response = response
    response.body = .stream(
      TokenStream(
        source, tokens, token, needs: found.endpoint.scope, on: found.subject(in: target)))
    return response
  }
}

extension ControlPlane.Found {
  /// What a token has to be for.
  fileprivate func subject(in target: Target) -> Token.Subject {
    switch endpoint.reach {
    case .open, .server: .server
    case .everyHost: .everyHost
    case .host: .host(host)
    // The router gives a parameter to each endpoint that has one in its pattern.
    case .namedHost: parameters.first.map { .host(target.text($0)) } ?? .everyHost
    }
  }
}
