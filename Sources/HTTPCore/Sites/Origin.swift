// SPDX-License-Identifier: Apache-2.0

/// The origin of the web page that has a browser send a request: scheme, host and port of where
/// the page was loaded from (RFC 6454, section 4).
public struct Origin: Sendable, Hashable {
  /// The scheme, `http` or `https`.
  public let scheme: String
  /// The host, and the port if the origin names one.
  public let authority: Authority

  /// Reads an origin such as `http://localhost:3000`.
  ///
  /// - Returns: nil for any other text, and for `null`, which browsers send for pages that have no
  ///   origin of their own.
  public init?(_ text: String) {
    guard let mark = text.firstRange(of: "://"),
      let authority = Authority(String(text[mark.upperBound...]))
    else { return nil }
    scheme = text[..<mark.lowerBound].lowercased()
    guard scheme == "http" || scheme == "https" else { return nil }
    self.authority = authority
  }

  /// The port that the origin names, or else the usual one of its scheme.
  private var port: UInt16 { authority.port ?? (scheme == "https" ? 443 : 80) }

  /// Whether the page was loaded from the same server as the one that the request goes to.
  ///
  /// - Parameter host: the request's `Host`. When a proxy in front of the server speaks TLS, the
  ///   server cannot tell by which scheme it was reached. So a host without a port stands for the
  ///   usual port of either scheme.
  public func isServed(from host: Authority) -> Bool {
    host.host == authority.host && (host.port ?? port) == port
      && (host.port != nil || port == 80 || port == 443)
  }
}

extension Origin: CustomStringConvertible {
  /// The origin as a browser sends it (RFC 6454, section 6.2).
  public var description: String {
    let host = authority.host.contains(":") ? "[\(authority.host)]" : authority.host
    return "\(scheme)://\(host)" + (authority.port.map { ":\($0)" } ?? "")
  }
}
