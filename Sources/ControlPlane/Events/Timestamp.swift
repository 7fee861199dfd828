// SPDX-License-Identifier: Apache-2.0

/// A moment, in microseconds since the beginning of 1970 in UTC.
public struct Timestamp: Sendable, Equatable, Codable {
  /// Microseconds since the beginning of 1970, UTC, without leap seconds.
  public var microseconds: Int64

  /// A moment by its microseconds since the beginning of 1970.
  public init(microseconds: Int64) { self.microseconds = microseconds }

  /// The moment in the form of RFC 3339: `2026-11-22T12:00:00.000000Z`.
  public var text: String {
    var bytes: [UInt8] = []
    append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends the moment in the form of RFC 3339: `2026-11-22T12:00:00.000000Z`.
  func append(to bytes: inout [UInt8]) {
    let (days, ofDay) = microseconds.dividedWithFloor(by: 86_400_000_000)
    let (seconds, fraction) = ofDay.quotientAndRemainder(dividingBy: 1_000_000)
    let date = Timestamp.civil(fromDays: days)
    Timestamp.append(date.year, 4, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    Timestamp.append(date.month, 2, to: &bytes)
    bytes.append(UInt8(ascii: "-"))
    Timestamp.append(date.day, 2, to: &bytes)
    bytes.append(UInt8(ascii: "T"))
    Timestamp.append(seconds / 3600, 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    Timestamp.append(seconds / 60 % 60, 2, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    Timestamp.append(seconds % 60, 2, to: &bytes)
    bytes.append(UInt8(ascii: "."))
    Timestamp.append(fraction, 6, to: &bytes)
    bytes.append(UInt8(ascii: "Z"))
  }

  private static func append(_ value: Int64, _ width: Int, to bytes: inout [UInt8]) {
    var divisor: Int64 = 1
    for _ in 1..<width { divisor *= 10 }
    while divisor > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
      divisor /= 10
    }
  }

  /// The date of a day in the proleptic Gregorian calendar, by the number of days since 1970. Years
  /// begin in March here, so that the leap day is the last day of its year.
  private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, ofEra) = (days + 719_468).dividedWithFloor(by: 146_097)
    let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let dayOfYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let march = (5 * dayOfYear + 2) / 153
    let month = march < 10 ? march + 3 : march - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * march + 2) / 5 + 1)
  }
}

extension Int64 {
  fileprivate func dividedWithFloor(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}

/// Writes the `time` member of events. It writes only as much anew as has changed: events come in
/// quick succession, and those of one second have all but six digits in common.
struct TimeMember {
  private var second: Int64 = .min
  private var text: [UInt8] = []
  private static let start = Array(",\"time\":\"".utf8)
  /// Bytes at the end of the text that differ within a second, or follow what differs: six digits,
  /// `Z` and a quote.
  private static let tail = 8

  mutating func member(_ time: Timestamp) -> [UInt8] {
    let (second, fraction) = time.microseconds.dividedWithFloor(by: 1_000_000)
    if second != self.second {
      self.second = second
      text = TimeMember.start
      time.append(to: &text)
      text.append(UInt8(ascii: "\""))
      return text
    }
    var rest = fraction
    var index = text.count - TimeMember.tail + 5
    for _ in 0..<6 {
      text[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
      index -= 1
    }
    return text
  }
}
