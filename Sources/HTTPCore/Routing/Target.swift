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

  /// A segment's place in `bytes`.
  private struct Place: Sendable, Equatable {
    var start: Int32
    var end: Int32
  }

  /// The target as it was sent.
  private let raw: [UInt8]
  private let pathStart: Int
  private let pathEnd: Int
  /// The bytes of the segments: those of `raw`, unless the path has escapes.
  private let bytes: [UInt8]
  private let places: [Place]

  /// How many segments the path has.
  public var segmentCount: Int { places.count }

  /// The decoded bytes of a segment.
  public func segment(_ index: Int) -> ArraySlice<UInt8> {
    bytes[Int(places[index].start)..<Int(places[index].end)]
  }

  /// Whether a segment is exactly that text.
  public func segment(_ index: Int, equals name: [UInt8]) -> Bool {
    let place = places[index]
    guard Int(place.end - place.start) == name.count else { return false }
    for offset in 0..<name.count where bytes[Int(place.start) + offset] != name[offset] {
      return false
    }
    return true
  }

  /// A segment as text; the initialiser has made sure that it is UTF-8.
  public func text(_ index: Int) -> String {
    String(decoding: segment(index), as: UTF8.self)
  }

  /// The query without its `?`, still escaped; nil where there is none.
  public var query: [UInt8]? { pathEnd < raw.count ? Array(raw[(pathEnd + 1)...]) : nil }

  /// The path as it was sent, for `instance` and for logs.
  public var rawPath: [UInt8] {
    pathEnd > pathStart ? Array(raw[pathStart..<pathEnd]) : [UInt8(ascii: "/")]
  }

  /// `/`.
  public static let root = Target()

  private init() {
    raw = [UInt8(ascii: "/")]
    pathStart = 0
    pathEnd = 1
    bytes = []
    places = []
  }

  /// Takes an undecoded target apart. An absolute-form target loses its scheme and authority.
  ///
  /// - Throws: `Malformed` for bytes that no URI has, a bad escape, an escaped NUL, or text that
  ///   is not UTF-8 once decoded.
  public init(_ raw: [UInt8]) throws(Malformed) {
    self.raw = raw
    pathStart = try Target.pathStart(raw)
    var end = raw.count
    var hasEscape = false
    for index in 0..<raw.count {
      let byte = raw[index]
      if byte <= 0x20 || byte >= 0x7f || byte == UInt8(ascii: "#") { throw .forbiddenByte }
      if index < pathStart { continue }
      if byte == UInt8(ascii: "?"), end == raw.count { end = index }
      if byte == UInt8(ascii: "%"), end == raw.count { hasEscape = true }
    }
    pathEnd = end
    if hasEscape {
      (bytes, places) = try Target.decode(raw, pathStart + 1, end)
    } else {
      bytes = raw
      places = Target.split(raw, pathStart + 1, end)
    }
  }

  /// `/` alone has no segments; `/a/` has an empty last one and so is another path than `/a`.
  private static func split(_ raw: [UInt8], _ start: Int, _ end: Int) -> [Place] {
    guard start < end else { return [] }
    var places: [Place] = []
    places.reserveCapacity(6)
    var begin = start
    for index in start..<end where raw[index] == UInt8(ascii: "/") {
      places.append(Place(start: Int32(begin), end: Int32(index)))
      begin = index + 1
    }
    places.append(Place(start: Int32(begin), end: Int32(end)))
    return places
  }

  private static func decode(
    _ raw: [UInt8], _ start: Int, _ end: Int
  ) throws(Malformed) -> ([UInt8], [Place]) {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(end - start)
    var places: [Place] = []
    for escaped in split(raw, start, end) {
      let begin = decoded.count
      var index = Int(escaped.start)
      while index < Int(escaped.end) {
        if raw[index] == UInt8(ascii: "%") {
          decoded.append(try PercentDecoding.byte(raw, at: index, before: Int(escaped.end)))
          index += 3
        } else {
          decoded.append(raw[index])
          index += 1
        }
      }
      // Each segment must be text by itself: an escape may not borrow bytes from its neighbour.
      if String(validating: decoded[begin...], as: UTF8.self) == nil { throw .notUTF8 }
      places.append(Place(start: Int32(begin), end: Int32(decoded.count)))
    }
    return (decoded, places)
  }

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
  static func byte(_ raw: [UInt8], at index: Int, before end: Int) throws(Target.Malformed) -> UInt8
  {
    guard index + 2 < end, let high = Hex.value(raw[index + 1]), let low = Hex.value(raw[index + 2])
    else { throw .badEscape }
    let byte = UInt8(high << 4 | low)
    if byte == 0 { throw .forbiddenByte }
    return byte
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
