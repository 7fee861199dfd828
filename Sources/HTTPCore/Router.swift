// SPDX-License-Identifier: Apache-2.0

/// A path of the API, `/v1/devices/{device}/attachment`: literal segments and parameters.
public struct PathPattern: Sendable, Hashable {
  public enum Segment: Sendable, Hashable {
    case literal([UInt8])
    case parameter(String)
  }

  public let text: String
  public let segments: [Segment]

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

/// Finds the entry of a path and a method in a table of routes.
///
/// `Entry` is whatever the table's owner attaches to a route. Literals win over parameters.
public struct Router<Entry: Sendable>: Sendable {
  public struct Route: Sendable {
    public let method: Method
    public let pattern: PathPattern
    public let entry: Entry

    public init(_ method: Method, _ pattern: String, _ entry: Entry) {
      self.method = method
      self.pattern = PathPattern(pattern)
      self.entry = entry
    }
  }

  public enum Match {
    /// The route, and for each parameter of its pattern the index of the segment that fills it.
    case found(Entry, parameters: [Int])
    case wrongMethod(allowed: [Method])
    case notFound
  }

  private struct Node {
    var literals: [(name: [UInt8], node: Int)] = []
    var parameter: Int?
    var entries: [(method: Method, entry: Entry)] = []
  }

  public let routes: [Route]
  private var nodes: [Node] = [Node()]

  public init(_ routes: [Route]) {
    self.routes = routes
    for route in routes { insert(route) }
  }

  private mutating func insert(_ route: Route) {
    var current = 0
    for segment in route.pattern.segments {
      current = child(of: current, for: segment)
    }
    nodes[current].entries.append((route.method, route.entry))
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
    guard let node = walk(0, target, start, &parameters), !nodes[node].entries.isEmpty else {
      return .notFound
    }
    let entries = nodes[node].entries
    // HEAD is GET without the body wherever nothing else is said (RFC 9110, section 9.3.2).
    for wanted in method == .head ? [.head, .get] : [method] {
      if let found = entries.first(where: { $0.method == wanted }) {
        return .found(found.entry, parameters: parameters)
      }
    }
    return .wrongMethod(allowed: allowed(entries.map(\.method)))
  }

  private func walk(_ node: Int, _ target: Target, _ index: Int, _ parameters: inout [Int]) -> Int? {
    if index == target.segmentCount { return node }
    let segment = target.segment(index)
    for literal in nodes[node].literals where segment.elementsEqual(literal.name) {
      if let found = walk(literal.node, target, index + 1, &parameters) { return found }
    }
    guard let next = nodes[node].parameter, !segment.isEmpty else { return nil }
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
