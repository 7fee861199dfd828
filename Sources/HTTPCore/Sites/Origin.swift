// SPDX-License-Identifier: Apache-2.0

/// Where the page comes from that has a browser send a request (RFC 6454; the Fetch standard).
public struct Origin: Sendable, Hashable {
  /// The scheme in lower case, as `https`.
  public let scheme: String
  /// The host and, unless it is the scheme's own, the port.
  public let authority: Authority

  /// Reads `http://localhost:3000`.
  ///
  /// - Returns: nil for what is no origin, and for `null`, the origin of pages that have none.
  public init?(_ text: String) {
    guard let mark = text.firstRange(of: "://"),
      let authority = Authority(String(text[mark.upperBound...]))
    else { return nil }
    scheme = text[..<mark.lowerBound].lowercased()
    guard scheme == "http" || scheme == "https" else { return nil }
    self.authority = authority
  }

  /// The port, said or not.
  private var port: UInt16 { authority.port ?? (scheme == "https" ? 443 : 80) }

  /// Whether the page was served from where the request goes to.
  ///
  /// The server does not know by which scheme it is reached when something in front of it speaks
  /// TLS, so that a host without a port may be either scheme's.
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
