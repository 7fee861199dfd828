// SPDX-License-Identifier: Apache-2.0

/// The pages that some tables were read from, and how often tables in these pages had been written
/// at that time. Whoever caches what the tables say keeps this with it, and so can ask later
/// whether one of the tables has been written since.
///
/// Memory is divided into 64 parts by a hash of the page's number, and table writes are counted for
/// each part. This makes the question a matter of a few words. Sometimes the answer is "written"
/// because of another page in the same part; that only costs a look at the tables. Counts only
/// grow, so their sum is unchanged only if each of them is.
struct TablePages: Sendable, Equatable {
  /// A bit for each part that one of the pages belongs to.
  var parts: UInt64 = 0
  /// The sum of the counts of these parts at the time of reading.
  var count: UInt64 = 0

  /// Stands for pages that nothing is known about: they are always taken for written.
  static var unknown: TablePages { TablePages(parts: .max, count: .max) }

  /// The part, 0 to 63, that the page at an offset from the beginning of memory belongs to.
  @inline(__always)
  static func part(of offset: UInt64) -> Int {
    let page = offset >> 12
    return Int(truncatingIfNeeded: (page ^ page >> 6 ^ page >> 13) & 63)
  }
}
