// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// The header fields that mean something to the server, found by their names' bytes.
///
/// Making a string of every name, or hashing it, would cost more than the rest of the request.
struct FieldTable {
  enum Field {
    case kept(Headers.Name)
    case host
    case contentLength
    case transferEncoding
    case expect
    case other
  }

  static let shared = FieldTable()

  /// Lower-case names by their lengths.
  private var byLength: [[(name: [UInt8], field: Field)]] = []

  private init() {
    add("host", .host)
    for name in Headers.Name.allCases where name != .host { add(name.rawValue, .kept(name)) }
    add("content-length", .contentLength)
    add("transfer-encoding", .transferEncoding)
    add("expect", .expect)
  }

  private mutating func add(_ name: String, _ field: Field) {
    let bytes = Array(name.utf8)
    while byLength.count <= bytes.count { byLength.append([]) }
    byLength[bytes.count].append((bytes, field))
  }

  @unsafe func field(named name: UnsafeBufferPointer<UInt8>) -> Field {
    guard name.count < byLength.count else { return .other }
    for candidate in byLength[name.count] where unsafe ASCII.equal(name, candidate.name) {
      return candidate.field
    }
    return .other
  }
}

/// Comparisons of ASCII text without regard to case.
enum ASCII {
  /// - Parameter lowercased: letters in lower case.
  @unsafe static func equal(_ text: UnsafeBufferPointer<UInt8>, _ lowercased: [UInt8]) -> Bool {
    guard text.count == lowercased.count else { return false }
    for index in lowercased.indices where unsafe lower(text[index]) != lowercased[index] {
      return false
    }
    return true
  }

  /// - Parameter lowercased: letters in lower case.
  @unsafe static func equal(
    _ text: UnsafeBufferPointer<UInt8>, _ lowercased: StaticString
  ) -> Bool {
    guard text.count == lowercased.utf8CodeUnitCount else { return false }
    // The literal has as many bytes as the text, as was just seen.
    let other = unsafe UnsafeBufferPointer(start: lowercased.utf8Start, count: text.count)
    for index in text.indices where unsafe lower(text[index]) != other[index] {
      return false
    }
    return true
  }

  /// The text up to its last character that is neither a space nor a tab.
  @unsafe static func withoutBlanksBehind(
    _ text: UnsafeBufferPointer<UInt8>
  ) -> UnsafeBufferPointer<UInt8> {
    var count = text.count
    while count > 0, unsafe text[count - 1] == 0x20 || text[count - 1] == 0x09 { count -= 1 }
    return unsafe UnsafeBufferPointer(rebasing: text[..<count])
  }

  private static func lower(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
  }
}

/// Which bytes may stand where (RFC 9110, sections 5.6.2 and 5.5).
enum CharacterClass {
  /// One bit for each of the 128 ASCII characters.
  private typealias Bits = (low: UInt64, high: UInt64)

  private static let token = bits("!#$%&'*+-.^_`|~")

  /// Letters, digits and `others`.
  private static func bits(_ others: String) -> Bits {
    let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    var bits: Bits = (0, 0)
    for byte in ("0123456789" + letters + others).utf8 {
      if byte < 64 { bits.low |= 1 << UInt64(byte) } else { bits.high |= 1 << UInt64(byte - 64) }
    }
    return bits
  }

  private static func contains(_ bits: Bits, _ byte: UInt8) -> Bool {
    let word = byte < 64 ? bits.low : byte < 128 ? bits.high : 0
    return word >> UInt64(byte & 63) & 1 == 1
  }

  @unsafe static func isToken(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let bits = token
    for index in text.indices where unsafe !contains(bits, text[index]) { return false }
    return text.count > 0
  }

  @unsafe static func isFieldValue(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    for index in text.indices {
      let byte = unsafe text[index]
      if (byte < 0x20 && byte != 0x09) || byte == 0x7f { return false }
    }
    return true
  }
}
