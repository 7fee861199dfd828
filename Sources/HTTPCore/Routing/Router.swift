// SPDX-License-Identifier: Apache-2.0

/// A path of the API, `/v1/devices/{device}/attachment`: literal segments and parameters.
public struct PathPattern: Sendable, Hashable {
  /// What one segment of a path must be.
  public enum Segment: Sendable, Hashable {
    case literal([UInt8])
    case parameter(String)
  }

  /// The pattern as it is written, as `/devices/{id}`.
  public let text: String
  /// The pattern segment by segment.
  public let segments: [Segment]

  /// Reads a pattern: a segment in braces takes anything, every other one itself.
  public init(_ text: String) {
    self.text = text
    segments = text.utf8.split(separator: UInt8(ascii: "/")).map { part in
      let part = Array(part)
      guard part.first == UInt8(ascii: "{"), part.last == UInt8(ascii: "}") else {
        return .literal(part)
      }
      return .parameter(String(decoding: part.dropFirst().dropLast(), as: UTF8.self))
    }
  }
}

/// Finds the route of a path and a method. Routes are told by their positions in the table that
/// the router was made of. Literals win over parameters.
public struct Router: Sendable {
  /// A method and a pattern.
  public struct Route: Sendable {
    /// The method of the route; a GET's route takes HEAD too.
    public let method: Method
    /// The paths of the route.
    public let pattern: PathPattern

    /// A route for a method and a pattern as it is written.
    public init(_ method: Method, _ pattern: String) {
      self.method = method
      self.pattern = PathPattern(pattern)
    }
  }

  /// What a method and a path stand for.
  public enum Match: Sendable {
    /// The route's position, and for each parameter of its pattern the index of the segment that
    /// fills it.
    case found(Int, parameters: [Int])
    case wrongMethod(allowed: [Method])
    case notFound
  }

  private struct Node {
    var literals: [(name: [UInt8], node: Int)] = []
    var parameter: Int?
    var routes: [(method: Method, route: Int)] = []
  }

  private var nodes: [Node] = [Node()]

  /// A router for routes, which are told by their positions.
  public init(_ routes: [Route]) {
    for (position, route) in routes.enumerated() { insert(route, position) }
  }

  private mutating func insert(_ route: Route, _ position: Int) {
    var current = 0
    for segment in route.pattern.segments {
      current = child(of: current, for: segment)
    }
    nodes[current].routes.append((route.method, position))
  }

  private mutating func child(of node: Int, for segment: PathPattern.Segment) -> Int {
    switch segment {
    case .literal(let name):
      if let known = nodes[node].literals.first(where: { $0.name == name }) { return known.node }
      nodes.append(Node())
      nodes[node].literals.append((name, nodes.count - 1))
    case .parameter:
      if let known = nodes[node].parameter { return known }
      nodes.append(Node())
      nodes[node].parameter = nodes.count - 1
    }
    return nodes.count - 1
  }

  /// - Parameter start: how many segments of the target to pass over, because the caller has
  ///   dealt with them.
  public func match(_ method: Method, _ target: Target, from start: Int = 0) -> Match {
    var parameters: [Int] = []
    guard let node = walk(0, target, start, &parameters), !nodes[node].routes.isEmpty else {
      return .notFound
    }
    if let route = route(method, at: node) { return .found(route, parameters: parameters) }
    // HEAD is GET without the body wherever nothing else is said (RFC 9110, section 9.3.2).
    if method == .head, let route = route(.get, at: node) {
      return .found(route, parameters: parameters)
    }
    return .wrongMethod(allowed: allowed(nodes[node].routes.map(\.method)))
  }

  private func route(_ method: Method, at node: Int) -> Int? {
    for entry in nodes[node].routes where entry.method == method { return entry.route }
    return nil
  }

  private func walk(_ node: Int, _ target: Target, _ index: Int, _ parameters: inout [Int]) -> Int?
  {
    if index == target.segmentCount { return node }
    for literal in nodes[node].literals where target.segment(index, equals: literal.name) {
      if let found = walk(literal.node, target, index + 1, &parameters) { return found }
    }
    guard let next = nodes[node].parameter, !target.segment(index).isEmpty else { return nil }
    parameters.append(index)
    if let found = walk(next, target, index + 1, &parameters) { return found }
    parameters.removeLast()
    return nil
  }

  private func allowed(_ methods: [Method]) -> [Method] {
    let present = Set(methods)
    return Method.allCases.filter { method in
      method == .options || present.contains(method)
        || method == .head && present.contains(.get)
    }
  }
}
