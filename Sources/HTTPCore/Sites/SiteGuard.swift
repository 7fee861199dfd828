// SPDX-License-Identifier: Apache-2.0

/// Keeps pages of foreign sites from using a browser to reach the server.
///
/// A browser on the server's machine reaches loopback addresses for any page that it shows. A
/// page of another site can send a POST without asking first, if the request has no body that it
/// would have to ask for (cross-site request forgery); and by pointing a name of its own at
/// 127.0.0.1 it can even read the answers (DNS rebinding). The first is told by `Origin` and
/// `Sec-Fetch-Site`, which pages cannot choose, and the second by `Host`.
public struct SiteGuard: Sendable {
  /// Hosts besides those of loopback that the server answers to, by their names or addresses.
  public var hosts: Set<String>
  /// Whether the server listens on every address of the machine. An address as a host is then
  /// always the machine's own; a name still has to be allowed.
  public var listensEverywhere: Bool
  /// Sites whose pages may use the server.
  public var origins: Set<Origin>

  /// Says which hosts are served and which foreign pages may use them.
  public init(
    hosts: Set<String> = [], listensEverywhere: Bool = false, origins: Set<Origin> = []
  ) {
    self.hosts = hosts
    self.listensEverywhere = listensEverywhere
    self.origins = origins
  }

  /// Judges a request by its header section.
  ///
  /// - Returns: the origin that the answer has to name so that a browser hands it to the page;
  ///   nil for a request of no page, or of a page of the server's own.
  /// - Throws: `misdirected_request` for a host that is not the server's, `forbidden` for a page
  ///   of a site that is not allowed.
  @discardableResult
  public func admit(_ head: RequestHead) throws(Problem) -> Origin? {
    let headers = head.headers
    // Only programs of this machine reach a Unix socket, and they may call it what they like.
    let host = headers[.host].flatMap { Authority($0) }
    if !head.isFromUnixSocket, let host, !answers(to: host) { throw SiteGuard.misdirected(host) }
    if let text = headers[.origin] {
      guard let origin = Origin(text) else { throw SiteGuard.forbidden("origin \(text)") }
      if origins.contains(origin) { return origin }
      if let host, origin.isServed(from: host) { return nil }
      throw SiteGuard.forbidden("origin \(text)")
    }
    if headers[.fetchSite] == "cross-site" { throw SiteGuard.forbidden("other site") }
    return nil
  }

  private func answers(to host: Authority) -> Bool {
    host.isLoopback || hosts.contains(host.host) || listensEverywhere && host.isAddress
  }

  private static func misdirected(_ host: Authority) -> Problem {
    Problem(
      .misdirectedRequest,
      "this server does not answer to the host \(host.host); --allow-host adds it")
  }

  private static func forbidden(_ who: String) -> Problem {
    Problem(
      .forbidden, "pages of the \(who) may not use this server; --allow-origin allows an origin")
  }
}
