// SPDX-License-Identifier: Apache-2.0

/// Where the server listens.
enum ServerAddress: Sendable, Equatable {
  case tcp(host: String, port: UInt16)
  case unix(path: String)

  /// Reads an address such as `http://127.0.0.1:8137`, `http://[::1]:8137/` or
  /// `unix:/run/viommud.sock`; nil for any other text. `/v1` may follow the port.
  init?(_ text: String) {
    if text.hasPrefix("unix:") {
      self = .unix(path: String(text.dropFirst(5)))
      return
    }
    guard text.hasPrefix("http://") else { return nil }
    var rest = text.dropFirst(7)
    if rest.hasSuffix("/") { rest.removeLast() }
    if rest.hasSuffix("/v1") { rest.removeLast(3) }
    let isBracketed = rest.hasPrefix("[")
    let colon = rest.lastIndex(of: ":").flatMap { colon in
      isBracketed && !rest[..<colon].hasSuffix("]") ? nil : colon
    }
    var host = colon.map { rest[..<$0] } ?? rest
    guard let port = colon.map({ UInt16(rest[rest.index(after: $0)...]) }) ?? 80 else { return nil }
    if isBracketed {
      guard host.hasSuffix("]") else { return nil }
      host = host.dropFirst().dropLast()
    }
    guard !host.isEmpty, !host.contains("/") else { return nil }
    self = .tcp(host: String(host), port: port)
  }

  /// What requests have in their `Host` field.
  var authority: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix: "localhost"
    }
  }
}
