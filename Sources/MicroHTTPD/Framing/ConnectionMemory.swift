// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// The memory that the library has for a connection: the head of a request as it was sent, a record
/// for each of its fields, and the head of the response.
///
/// More slows every request down, since the library clears it after each.
enum ConnectionMemory {
  /// What 0.9.75 keeps of a field besides its text; measured by sections of many fields.
  private static let perField = 64
  /// Left for the head of the response.
  private static let reserve = 1 << 10
  /// Holds the target and the header section at their usual limits, and 500 short fields.
  private static let least = 36 << 10
  /// As many fields are possible in a header section at its limit, under a target at its limit.
  private static let fieldsAtTheLimits = 100
  private static let page = 4 << 10

  /// Bytes for a connection.
  static func size(for limits: Limits) -> Int {
    let needed = limits.target + limits.headers + fieldsAtTheLimits * perField + reserve
    return max(least, (needed + page - 1) / page * page)
  }

  /// Whether a request and its response have room.
  ///
  /// - Parameters:
  ///   - headSize: bytes from the method to the end of the header section.
  ///   - fields: how many fields are in it.
  static func holds(headSize: Int, fields: Int, for limits: Limits) -> Bool {
    headSize + fields * perField + reserve <= size(for: limits)
  }
}
