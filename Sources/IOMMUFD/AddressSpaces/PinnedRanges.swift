// SPDX-License-Identifier: Apache-2.0

/// The ranges that an access has pinned, in the order of their numbers. So the first of them can be
/// shown without a look at the others, of which there may be many.
public struct PinnedRanges: Sendable {
  /// A range with its number.
  public struct Entry: Sendable, Equatable {
    /// The number by which the range is unpinned.
    public let number: UInt32
    /// What is pinned.
    public let range: Access.PinnedRange
  }

  /// All ranges, ascending by number.
  public private(set) var entries: [Entry] = []

  /// How many ranges there are.
  public var count: Int { entries.count }

  /// The range with a number; nil where nothing is pinned under it.
  public subscript(number: UInt32) -> Access.PinnedRange? {
    let position = position(of: number)
    guard position < entries.count, entries[position].number == number else { return nil }
    return entries[position].range
  }

  /// The ranges behind a number, `limit` of them at most.
  public func page(behind number: UInt32?, limit: Int) -> ArraySlice<Entry> {
    let start =
      number.map { $0 == .max ? entries.count : position(of: $0 + 1) } ?? 0
    return entries[start..<min(entries.count, start + limit)]
  }

  mutating func insert(_ range: Access.PinnedRange, _ number: UInt32) {
    entries.insert(Entry(number: number, range: range), at: position(of: number))
  }

  mutating func remove(_ number: UInt32) { entries.remove(at: position(of: number)) }

  /// Where a number is, or would be: the first position that is not in front of it.
  private func position(of number: UInt32) -> Int {
    // A new range has the greatest number of all, but once in four thousand million.
    guard let last = entries.last, last.number >= number else { return entries.count }
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].number >= number { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
