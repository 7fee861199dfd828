// SPDX-License-Identifier: Apache-2.0

/// Which pages some tables were read from, and how often tables in them had been written then.
///
/// Pages are told apart by a hash into 64 parts of memory, so that the answer to "were they
/// written?" is a few words long and, rarely, yes for a neighbour's sake. Counts only grow, so
/// their sum is the same only if all of them are.
struct TablePages: Sendable, Equatable {
  /// A bit for each part.
  var parts: UInt64 = 0
  /// The sum of the parts' counts.
  var count: UInt64 = 0

  /// Pages that are never known to be unwritten.
  static var unknown: TablePages { TablePages(parts: .max, count: .max) }

  @inline(__always)
  static func part(of offset: UInt64) -> Int {
    let page = offset >> 12
    return Int(truncatingIfNeeded: (page ^ page >> 6 ^ page >> 13) & 63)
  }
}
