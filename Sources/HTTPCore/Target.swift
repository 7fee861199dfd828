// SPDX-License-Identifier: Apache-2.0

/// A request target in origin form, taken apart: the decoded segments of its path, and its query.
///
/// Percent-escapes are decoded segment by segment, so an escaped slash stays inside its segment.
public struct Target: Sendable, Equatable {
  /// What is wrong with a target that cannot be taken apart; all of them are answered 400.
  public enum Malformed: Error, Equatable {
    case notOriginForm
    case forbiddenByte
    case badEscape
    case notUTF8
  }

  /// The decoded bytes of all segments, one after the other, without slashes.
  private let bytes: [UInt8]
  /// Where each segment ends in `bytes`.
  private let ends: [Int]
  /// The query without its `?`, still escaped; nil where there is none.
  public let query: [UInt8]?
  /// The path as it was sent, for `instance` and for logs.
  public let rawPath: [UInt8]

  public var segmentCount: Int { ends.count }

  /// The decoded bytes of a segment.
  public func segment(_ index: Int) -> ArraySlice<UInt8> {
    bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
  }

  /// `/`.
  public static let root = Target()

  private init() {
    bytes = []
    ends = []
    query = nil
    rawPath = [UInt8(ascii: "/")]
  }

  /// A segment as text; the initialiser has made sure that it is UTF-8.
  public func text(_ index: Int) -> String {
    String(decoding: segment(index), as: UTF8.self)
  }

  /// Takes an undecoded target apart. An absolute-form target loses its scheme and authority.
  ///
  /// - Throws: `Malformed` for bytes that no URI has, a bad escape, an escaped NUL, or text that
  ///   is not UTF-8 once decoded.
  public init(_ raw: [UInt8]) throws(Malformed) {
    let start = try Target.pathStart(raw)
    var end = raw.count
    var queryStart: Int?
    var hasEscape = false
    for index in start..<raw.count {
      let byte = raw[index]
      if byte <= 0x20 || byte >= 0x7f { throw .forbiddenByte }
      if byte == UInt8(ascii: "#") { throw .forbiddenByte }
      if byte == UInt8(ascii: "?"), queryStart == nil {
        queryStart = index + 1
        end = index
      }
      if byte == UInt8(ascii: "%"), queryStart == nil { hasEscape = true }
    }
    query = queryStart.map { Array(raw[$0...]) }
    rawPath = end > start ? Array(raw[start..<end]) : [UInt8(ascii: "/")]
    var decoded: [UInt8] = []
    decoded.reserveCapacity(end - start)
    var ends: [Int] = []
    ends.reserveCapacity(6)
    var index = start + 1
    while index < end {
      let byte = raw[index]
      if byte == UInt8(ascii: "/") {
        ends.append(decoded.count)
        index += 1
      } else if byte == UInt8(ascii: "%") {
        decoded.append(try PercentDecoding.byte(raw, at: index, before: end))
        index += 3
      } else {
        decoded.append(byte)
        index += 1
      }
    }
    // `/` alone has no segments; `/a/` has an empty last one and so is another path than `/a`.
    if end > start + 1 { ends.append(decoded.count) }
    if hasEscape { try PercentDecoding.requireText(decoded, ends) }
    self.bytes = decoded
    self.ends = ends
  }

  /// Where the path starts; at the query, or the end, where an absolute form has no path.
  private static func pathStart(_ raw: [UInt8]) throws(Malformed) -> Int {
    if raw.first == UInt8(ascii: "/") { return 0 }
    for scheme in ["http://", "https://"] {
      let length = scheme.utf8.count
      // Schemes know no case.
      let start = raw.prefix(length).map { $0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0 }
      guard raw.count > length, start.elementsEqual(scheme.utf8) else { continue }
      let end = raw[length...].firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }
      guard end != length else { throw .notOriginForm }
      return end ?? raw.count
    }
    throw .notOriginForm
  }
}

/// Percent-decoding (RFC 3986, section 2.1).
enum PercentDecoding {
  static func byte(_ raw: [UInt8], at index: Int, before end: Int) throws(Target.Malformed) -> UInt8 {
    guard index + 2 < end, let high = Hex.value(raw[index + 1]), let low = Hex.value(raw[index + 2])
    else { throw .badEscape }
    let byte = UInt8(high << 4 | low)
    if byte == 0 { throw .forbiddenByte }
    return byte
  }

  /// Each segment must be text by itself: an escape may not borrow bytes from its neighbour.
  static func requireText(_ bytes: [UInt8], _ ends: [Int]) throws(Target.Malformed) {
    var start = 0
    for end in ends {
      if String(validating: bytes[start..<end], as: UTF8.self) == nil { throw .notUTF8 }
      start = end
    }
  }

  /// Decodes a name or value of a query; `+` stands for itself, as in RFC 3986.
  static func text(_ raw: ArraySlice<UInt8>) throws(Target.Malformed) -> String {
    if !raw.contains(UInt8(ascii: "%")) { return String(decoding: raw, as: UTF8.self) }
    let whole = Array(raw)
    var decoded: [UInt8] = []
    var index = 0
    while index < whole.count {
      if whole[index] == UInt8(ascii: "%") {
        decoded.append(try byte(whole, at: index, before: whole.count))
        index += 3
      } else {
        decoded.append(whole[index])
        index += 1
      }
    }
    guard let text = String(validating: decoded, as: UTF8.self) else { throw .notUTF8 }
    return text
  }
}

/// Hexadecimal digits.
enum Hex {
  static func value(_ byte: UInt8) -> UInt64? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }

  static func digit(_ value: UInt64) -> UInt8 {
    let value = UInt8(truncatingIfNeeded: value & 0xf)
    return value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  /// `0x` and 1 to 16 digits; nil for anything else.
  static func parse(_ text: some Collection<UInt8>) -> UInt64? {
    guard text.count >= 3, text.count <= 18, text.starts(with: "0x".utf8) else { return nil }
    var result: UInt64 = 0
    for byte in text.dropFirst(2) {
      guard let digit = value(byte) else { return nil }
      result = result << 4 | digit
    }
    return result
  }
}
