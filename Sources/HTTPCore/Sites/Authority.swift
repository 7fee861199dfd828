// SPDX-License-Identifier: Apache-2.0

/// A host and perhaps a port, as a `Host` field or an origin names them (RFC 9110, section 7.2;
/// RFC 3986, section 3.2). A user name, which RFC 3986 also allows, is not taken.
public struct Authority: Sendable, Hashable {
  /// The name or the address of the host, in lower case. An IPv6 address is without its brackets.
  public let host: String
  /// The port; nil when none is named, which means the usual one of the scheme.
  public let port: UInt16?

  /// Reads an authority such as `localhost`, `127.0.0.1:8137` or `[::1]:80`.
  ///
  /// A name may have letters, digits, `-`, `.`, `_` and `~`. RFC 3986 allows more characters, but
  /// no name of a host has them.
  ///
  /// - Returns: nil for any text that is not one host with at most one port, for example for a list
  ///   of hosts.
  public init?(_ text: String) {
    let bytes = text.utf8
    var hostEnd = bytes.startIndex
    if bytes.first == UInt8(ascii: "[") {
      guard let bracket = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
      let address = bytes[bytes.index(after: bytes.startIndex)..<bracket]
      guard address.count >= 2, address.allSatisfy(Authority.isOfIPv6Address) else { return nil }
      host = String(Substring(address)).lowercased()
      hostEnd = bytes.index(after: bracket)
    } else {
      hostEnd = bytes.firstIndex { !Authority.isOfName($0) } ?? bytes.endIndex
      guard hostEnd > bytes.startIndex else { return nil }
      host = String(text[..<hostEnd]).lowercased()
    }
    guard hostEnd < bytes.endIndex else {
      port = nil
      return
    }
    let digits = bytes[bytes.index(after: hostEnd)...]
    guard bytes[hostEnd] == UInt8(ascii: ":"), digits.allSatisfy(Authority.isDigit),
      digits.count <= 5
    else { return nil }
    // RFC 3986 allows a colon with no port behind it.
    if digits.isEmpty {
      port = nil
    } else {
      guard let number = UInt16(Substring(digits)) else { return nil }
      port = number
    }
  }

  /// Whether the host is this machine, under a name or an address that no name server can make lead
  /// anywhere else.
  public var isLoopback: Bool {
    host == "localhost" || host.hasSuffix(".localhost") || host == "::1" || isLoopbackIPv4
  }

  /// Whether the host is an address in 127.0.0.0/8. The beginning alone would not do, since
  /// `127.0.0.1.example.org` is a name, whose owner can make it lead anywhere.
  private var isLoopbackIPv4: Bool { isIPv4 && host.hasPrefix("127.") }

  /// Whether the host is an address and not a name, so that no name server decides where it leads.
  public var isAddress: Bool { isIPv4 || host.utf8.contains(UInt8(ascii: ":")) }

  private var isIPv4: Bool {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil && !$0.hasPrefix("+") }
  }

  private static let usualNames = [Array("127.0.0.1".utf8), Array("localhost".utf8)]

  /// Whether a text is loopback's usual name or address, perhaps with a port, as nearly every
  /// request names it. This is a look at the bytes only, because every request pays for it; any
  /// other text is for `init` to judge.
  public static func isUsualLoopback(_ text: String) -> Bool {
    for name in usualNames where text.utf8.starts(with: name) {
      var port = text.utf8.dropFirst(name.count)
      guard let colon = port.popFirst() else { return true }
      guard colon == UInt8(ascii: ":"), (1...5).contains(port.count), port.allSatisfy(isDigit)
      else { return false }
      return port.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) } <= Int(UInt16.max)
    }
    return false
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  private static func isOfName(_ byte: UInt8) -> Bool {
    let letter = byte | 0x20
    return letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z") || isDigit(byte)
      || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
      || byte == UInt8(ascii: "~")
  }

  private static func isOfIPv6Address(_ byte: UInt8) -> Bool {
    let letter = byte | 0x20
    return letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "f") || isDigit(byte)
      || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
  }
}
