// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import HTTPCore
import MicroHTTPD

/// Which hosts the server answers to, and whose pages may use it from a browser.
struct SiteOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Answer to this host name or address too, besides loopback's and those listened on. May be \
      given more than once.
      """,
      valueName: "host"))
  var allowHost: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Let pages of this site use the server, http://localhost:3000 for example. May be given more \
      than once.
      """,
      valueName: "origin"))
  var allowOrigin: [String] = []

  /// - Throws: a `ValidationError` for a text that is no host, or no origin.
  func check() throws { _ = try siteGuard(listeningOn: []) }

  /// The rule for a server that listens on `addresses`.
  func siteGuard(listeningOn addresses: [ListenAddress]) throws -> SiteGuard {
    var sites = SiteGuard()
    for text in allowHost {
      guard let authority = Authority(text.contains("::") ? "[\(text)]" : text),
        authority.port == nil
      else {
        throw ValidationError("--allow-host: \(text) is no host name or address without a port")
      }
      sites.hosts.insert(authority.host)
    }
    for text in allowOrigin {
      guard let origin = Origin(text) else {
        throw ValidationError(
          "--allow-origin: \(text) is no origin; one is like http://localhost:3000")
      }
      sites.origins.insert(origin)
    }
    for case .tcp(let host, _) in addresses {
      sites.hosts.insert(host.lowercased())
      if host == "0.0.0.0" || host == "::" { sites.listensEverywhere = true }
    }
    return sites
  }
}
