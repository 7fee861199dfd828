// SPDX-License-Identifier: Apache-2.0

/// Where a server listens.
public enum ListenAddress: Sendable, Hashable, CustomStringConvertible {
  /// An IPv4 or IPv6 address in numbers, and a TCP port; port 0 takes a free one.
  ///
  /// An IPv6 address listens for IPv6 only, so that `[::]` and `0.0.0.0` can be had together.
  case tcp(host: String, port: UInt16)
  /// A Unix socket, by its path.
  case unix(path: String)

  /// Reads `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` or `unix:/run/viommud.sock`.
  ///
  /// - Throws: `ServerError.invalidAddress` or `.invalidPath`.
  public init(parsing text: String) throws(ServerError) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(5))
      if path.isEmpty { throw .invalidPath(path) }
      self = .unix(path: path)
      return
    }
    guard let colon = text.lastIndex(of: ":"),
      let port = UInt16(text[text.index(after: colon)...])
    else { throw .invalidAddress(text) }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw .invalidAddress(text)
    }
    guard !host.isEmpty else { throw .invalidAddress(text) }
    self = .tcp(host: host == "localhost" ? "127.0.0.1" : String(host), port: port)
  }

  /// The address as it is written on the command line.
  public var description: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }
}

extension ListenAddress {
  /// Whether it is a path and not an address.
  public var isUnixSocket: Bool {
    if case .unix = self { return true }
    return false
  }

  /// Whether only this machine can reach it.
  public var isLoopback: Bool {
    switch self {
    case .tcp(let host, _): host.hasPrefix("127.") || host == "::1"
    case .unix: true
    }
  }
}
