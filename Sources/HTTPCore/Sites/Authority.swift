// SPDX-License-Identifier: Apache-2.0

/// A host and perhaps a port, as a `Host` field or an origin names them (RFC 9110, section 7.2;
/// RFC 3986, section 3.2).
public struct Authority: Sendable, Hashable {
  /// In lower case, and of an IPv6 address without its brackets.
  public let host: String
  /// nil where none is named; then it is the scheme's usual one.
  public let port: UInt16?

  /// Reads `localhost`, `127.0.0.1:8137` or `[::1]:80`.
  ///
  /// - Returns: nil for anything that is not exactly a host and at most one port, a list of hosts
  ///   for example. Of the characters that a registered name might have, only those are taken
  ///   that names of hosts have.
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
    // The grammar allows a colon without a port behind it.
    if digits.isEmpty {
      port = nil
    } else {
      guard let number = UInt16(Substring(digits)) else { return nil }
      port = number
    }
  }

  /// The host is this machine under a name or address that no resolver can turn elsewhere.
  public var isLoopback: Bool {
    host == "localhost" || host.hasSuffix(".localhost") || host == "::1" || isLoopbackIPv4
  }

  /// 127.0.0.0/8. `127.0.0.1.example.org` is a name that anybody may point anywhere.
  private var isLoopbackIPv4: Bool { isIPv4 && host.hasPrefix("127.") }

  /// The host is an address and not a name, so that no resolver has a say in it.
  public var isAddress: Bool { isIPv4 || host.utf8.contains(UInt8(ascii: ":")) }

  private var isIPv4: Bool {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil && !$0.hasPrefix("+") }
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
