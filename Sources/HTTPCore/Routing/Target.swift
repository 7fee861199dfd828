// SPDX-License-Identifier: Apache-2.0

/// A request target, taken apart into the segments of its path and its query.
///
/// Percent-escapes are decoded segment by segment, so that an escaped slash stays inside its
/// segment and does not end it.
public struct Target: Sendable, Equatable {
  /// Why a target cannot be taken apart. Each of these is answered with 400.
  public enum Malformed: Error, Equatable {
    /// It is neither a path nor an `http` or `https` URI with a host.
    case notOriginForm
    /// It has a byte that no URI has, a `#`, or an escaped NUL.
    case forbiddenByte
    /// A `%` has no two hex digits behind it.
    case badEscape
    /// A segment or a parameter is not UTF-8 once its escapes are decoded.
    case notUTF8
  }

  /// Where a segment lies in `bytes`.
  private struct Place: Sendable, Equatable {
    var start: Int32
    var end: Int32
  }

  /// The target as it was sent; the path lies between `pathStart` and `pathEnd`.
  private let raw: [UInt8]
  private let pathStart: Int
  private let pathEnd: Int
  /// The decoded bytes of the segments. Without escapes in the path these are the bytes of `raw`.
  private let bytes: [UInt8]
  private let places: [Place]

  /// How many segments the path has.
  public var segmentCount: Int { places.count }

  /// The decoded bytes of a segment.
  ///
  /// - Parameter index: less than `segmentCount`.
  public func segment(_ index: Int) -> ArraySlice<UInt8> {
    bytes[Int(places[index].start)..<Int(places[index].end)]
  }

  /// Whether a segment, once decoded, is exactly these bytes.
  public func segment(_ index: Int, equals name: [UInt8]) -> Bool {
    let place = places[index]
    guard Int(place.end - place.start) == name.count else { return false }
    for offset in 0..<name.count where bytes[Int(place.start) + offset] != name[offset] {
      return false
    }
    return true
  }

  /// A segment as text. The initialiser has made sure that it is UTF-8.
  public func text(_ index: Int) -> String {
    String(decoding: segment(index), as: UTF8.self)
  }

  /// The query without its `?`, still escaped; nil when there is none.
  public var query: [UInt8]? { pathEnd < raw.count ? Array(raw[(pathEnd + 1)...]) : nil }

  /// The path as it was sent, for the `instance` of problems and for the log; `/` when the target
  /// has none.
  public var rawPath: [UInt8] {
    pathEnd > pathStart ? Array(raw[pathStart..<pathEnd]) : [UInt8(ascii: "/")]
  }

  /// The target `/`.
  public static let root = Target()

  private init() {
    raw = [UInt8(ascii: "/")]
    pathStart = 0
    pathEnd = 1
    bytes = []
    places = []
  }

  /// Takes a target apart that is in origin form or in absolute form (RFC 9112, section 3.2).
  /// The scheme and the authority of one in absolute form are dropped.
  ///
  /// - Parameter raw: the target as it was sent, still escaped.
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

  /// Splits a path at its slashes.
  ///
  /// The path `/` has no segment. `/a/` has a second one that is empty, so that it is another path
  /// than `/a`.
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
      // Each segment must be UTF-8 by itself, since callers read segments one by one.
      if String(validating: decoded[begin...], as: UTF8.self) == nil { throw .notUTF8 }
      places.append(Place(start: Int32(begin), end: Int32(decoded.count)))
    }
    return (decoded, places)
  }

  /// Where the path begins: behind the authority of a target in absolute form.
  private static func pathStart(_ raw: [UInt8]) throws(Malformed) -> Int {
    if raw.first == UInt8(ascii: "/") { return 0 }
    for scheme in ["http://", "https://"] {
      let length = scheme.utf8.count
      // Schemes are compared without regard to case (RFC 3986, section 3.1).
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
  /// Decodes the escape at `index`, which must end before `end`.
  static func byte(_ raw: [UInt8], at index: Int, before end: Int) throws(Target.Malformed) -> UInt8
  {
    guard index + 2 < end, let high = Hex.value(raw[index + 1]), let low = Hex.value(raw[index + 2])
    else { throw .badEscape }
    let byte = UInt8(high << 4 | low)
    if byte == 0 { throw .forbiddenByte }
    return byte
  }

  /// Decodes a name or a value in a query. A `+` stands for itself and not for a space, which only
  /// HTML forms write in this way.
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

/// Reads and writes hex digits as bytes.
enum Hex {
  /// The value of a digit of either case; nil for any other character.
  static func value(_ byte: UInt8) -> UInt64? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }

  /// The lower-case digit of the lowest four bits.
  static func digit(_ value: UInt64) -> UInt8 {
    let value = UInt8(truncatingIfNeeded: value & 0xf)
    return value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  /// Reads `0x` and 1 to 16 digits of either case; nil for any other text.
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
