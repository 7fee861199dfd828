// SPDX-License-Identifier: Apache-2.0
import Hashing

/// A bearer token (RFC 6750): who has it, and what it is good for. The token itself is not kept,
/// only its digest.
///
/// It is a class because each request passes it around.
public final class Token: Sendable {
  /// What a token allows. Each scope allows what those before it do.
  public enum Scope: String, Sendable, CaseIterable, Comparable {
    /// What shows something and changes nothing.
    case read
    /// What changes a host, too. To read an event queue is to change it, since reading consumes.
    case write
    /// Making and deleting hosts, too.
    case admin

    /// Whether the right scope allows all that the left one does, and more.
    public static func < (left: Scope, right: Scope) -> Bool { left.rank < right.rank }

    private var rank: Int {
      switch self {
      case .read: 0
      case .write: 1
      case .admin: 2
      }
    }
  }

  /// What a request is about, as far as tokens are concerned.
  public enum Subject: Sendable, Equatable {
    /// The server, about which any token may ask.
    case server
    /// The host with this name, whether there is one or not.
    case host(String)
    /// All hosts at once.
    case everyHost
  }

  /// The number of bytes in a digest.
  public static let digestSize = 32

  /// What the token is called. It stands in logs and in refusals, where the token must not.
  public let name: String
  /// The SHA-256 of the token, in `digestSize` bytes.
  public let digest: [UInt8]
  /// What the token allows.
  public let scope: Scope
  /// The names of the hosts that it is for; nil for all.
  public let hosts: Set<String>?

  /// Makes a token of its digest, which has `digestSize` bytes. With a digest of another length no
  /// request is ever admitted.
  public init(name: String, digest: [UInt8], scope: Scope, hosts: Set<String>?) {
    self.name = name
    self.digest = digest
    self.scope = scope
    self.hosts = hosts
  }

  /// The digest by which a token is known, in `digestSize` bytes.
  public static func digest(of token: String) -> [UInt8] {
    HexBytes.parse(SHA256.hex(of: token.utf8)) ?? []
  }

  /// Whether the token is for the host with this name.
  public func isFor(host: String) -> Bool { hosts?.contains(host) ?? true }

  /// Whether the token allows what needs `scope`, and is for what the request is about.
  public func allows(_ scope: Scope, on subject: Subject) -> Bool {
    self.scope >= scope && isFor(subject)
  }

  /// Checks that the token allows what needs `scope`, and is for what the request is about.
  ///
  /// - Throws: `forbidden` where it does not suffice. A token that is not for a host gets the same
  ///   refusal whether or not there is such a host.
  public func require(_ scope: Scope, on subject: Subject) throws(Problem) {
    guard isFor(subject) else {
      throw Problem(.forbidden, "the token \(name) is not for \(subject.noun)")
    }
    guard self.scope >= scope else {
      var problem = Problem(
        .forbidden,
        "the token \(name) has the scope \(self.scope.rawValue), and this needs \(scope.rawValue)")
      problem.headers = [
        (.authenticate, Bearer.challenge(.insufficientScope) + ", scope=\"\(scope.rawValue)\"")
      ]
      throw problem
    }
  }

  private func isFor(_ subject: Subject) -> Bool {
    switch subject {
    case .server: true
    case .host(let name): isFor(host: name)
    case .everyHost: hosts == nil
    }
  }
}

extension Token.Subject {
  fileprivate var noun: String {
    switch self {
    case .server: "the server"
    case .host(let name): "host \(name)"
    case .everyHost: "all hosts, which this is about"
    }
  }
}
