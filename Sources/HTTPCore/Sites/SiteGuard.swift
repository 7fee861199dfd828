// SPDX-License-Identifier: Apache-2.0

/// Keeps web pages of other sites from reaching the server through a browser.
///
/// A browser on the server's machine sends requests to loopback addresses for any page that it
/// shows. That allows two attacks:
///
/// - Cross-site request forgery: a page of another site can have some requests sent without the
///   browser asking the server first, a POST without a body for example. The guard knows such
///   requests by `Origin` and `Sec-Fetch-Site`, which a page cannot set.
/// - DNS rebinding: the page's site makes a name of its own lead to 127.0.0.1. To the browser the
///   server is then the page's own site, whose answers it may read. The guard knows such requests
///   by `Host`, which has the site's name.
public struct SiteGuard: Sendable {
  /// The names and addresses, besides those of loopback, under which the server may be reached.
  public var hosts: Set<String>
  /// Whether the server listens on every address of the machine. Any address is then taken as a
  /// host, since a request that has arrived was sent to one of the machine's own. A name still has
  /// to be among `hosts`.
  public var listensEverywhere: Bool
  /// The origins of other sites whose pages may use the server.
  public var origins: Set<Origin>

  /// Makes a guard that admits, unless more is allowed, only loopback hosts and the server's own
  /// pages.
  public init(
    hosts: Set<String> = [], listensEverywhere: Bool = false, origins: Set<Origin> = []
  ) {
    self.hosts = hosts
    self.listensEverywhere = listensEverywhere
    self.origins = origins
  }

  /// Decides by its header section whether a request is admitted.
  ///
  /// - Returns: the origin of the page, if it is of another site that is allowed. The answer has to
  ///   name it, or else the browser keeps the answer from the page. nil for requests that come
  ///   from no page, or from one of the server's own.
  /// - Throws: `misdirected_request` for a `Host` that is not the server's; `forbidden` for a page
  ///   of a site that is not allowed.
  @discardableResult
  public func admit(_ head: RequestHead) throws(Problem) -> Origin? {
    let headers = head.headers
    if let host = headers[.host], Authority.isUsualLoopback(host), headers[.origin] == nil {
      if headers[.fetchSite] == "cross-site" { throw SiteGuard.forbidden("other site") }
      return nil
    }
    // No browser reaches a Unix socket, and its clients have no host to name, so any will do.
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
