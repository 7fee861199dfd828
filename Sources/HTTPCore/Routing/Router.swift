// SPDX-License-Identifier: Apache-2.0

/// The pattern of paths such as `/v1/devices/{device}/attachment`, in which some segments are given
/// and others are parameters.
public struct PathPattern: Sendable, Hashable {
  /// What one segment of a path must be.
  public enum Segment: Sendable, Hashable {
    /// Exactly these bytes.
    case literal([UInt8])
    /// Any text but an empty one; it is the value of the parameter with this name.
    case parameter(String)
  }

  /// The pattern as it was written, for example `/devices/{id}`.
  public let text: String
  /// The pattern segment by segment.
  public let segments: [Segment]

  /// Reads a pattern. A segment in braces is a parameter, and every other one is literal.
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

/// Finds the route for a method and a path. Where a literal and a parameter both fit a segment, the
/// literal is taken.
public struct Router: Sendable {
  /// A method and the pattern of the paths that it is for.
  public struct Route: Sendable {
    /// The method. A route for GET takes HEAD as well, unless the same pattern has a route for
    /// HEAD.
    public let method: Method
    /// Which paths the route is for.
    public let pattern: PathPattern

    /// Makes a route from a method and a pattern in writing.
    public init(_ method: Method, _ pattern: String) {
      self.method = method
      self.pattern = PathPattern(pattern)
    }
  }

  /// The result of looking for a route.
  public enum Match: Sendable {
    /// The route's position among the routes that the router was made of, and for each parameter
    /// of its pattern the index of the segment that is its value.
    case found(Int, parameters: [Int])
    /// There are routes for the path, but none for the method; these methods are allowed.
    case wrongMethod(allowed: [Method])
    /// There is no route for the path.
    case notFound
  }

  /// The patterns that begin alike share nodes, one for each segment that they have in common.
  private struct Node {
    var literals: [(name: [UInt8], node: Int)] = []
    var parameter: Int?
    var routes: [(method: Method, route: Int)] = []
  }

  private var nodes: [Node] = [Node()]

  /// Makes a router for routes, which `match` names by their positions in this array.
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

  /// Finds the route for a method and a target.
  ///
  /// - Parameter start: how many segments of the target to skip, because the caller has dealt with
  ///   them. The indices in the answer count from the beginning of the target all the same.
  public func match(_ method: Method, _ target: Target, from start: Int = 0) -> Match {
    var parameters: [Int] = []
    guard let node = walk(0, target, start, &parameters), !nodes[node].routes.isEmpty else {
      return .notFound
    }
    if let route = route(method, at: node) { return .found(route, parameters: parameters) }
    // HEAD is GET without the body (RFC 9110, section 9.3.2), so that it needs no routes of its
    // own.
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
