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
}

extension ControlPlane.Found {
  /// What a token has to be for.
  fileprivate func subject(in target: Target) -> Token.Subject {
    endpoint.subject(host: host, parameter: parameters.first.map { target.text($0) })
  }
}

extension Call {
  /// The response, whose stream ends as soon as the token no longer allows it.
  func watch(_ response: Response, as token: Token) -> Response {
    guard let tokens = api.configuration.tokens, case .stream(let source) = response.body else {
      return response
    }
    let subject = endpoint.subject(host: host.name, parameter: parameters.first)
    var response = response
    response.body = .stream(
      TokenStream(source, tokens, token, needs: endpoint.scope, on: subject))
    return response
  }
}

extension Endpoint {
  /// What a token has to be for, so that it allows the operation on a host.
  ///
  /// - Parameter parameter: the first parameter of the path. The router gives one to each endpoint
  ///   that has one in its pattern.
  fileprivate func subject(host: String, parameter: String?) -> Token.Subject {
    switch reach {
    case .open, .server: .server
    case .everyHost: .everyHost
    case .host: .host(host)
    case .namedHost: parameter.map { .host($0) } ?? .everyHost
    }
  }
}
