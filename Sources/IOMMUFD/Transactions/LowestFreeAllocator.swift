// SPDX-License-Identifier: Apache-2.0

/// Hands out the lowest free number of a range: object IDs, VMIDs, VINTFs, SID slots, cookies.
public struct LowestFreeAllocator {
  public let range: ClosedRange<UInt32>
  private var words: [UInt64] = []
  /// No word below this one has a free number.
  private var firstFree = 0
  public private(set) var count = 0

  public init(_ range: ClosedRange<UInt32>) { self.range = range }

  /// The lowest free number, now taken; nil when all are.
  public mutating func allocate() -> UInt32? {
    while firstFree < words.count, words[firstFree] == .max { firstFree += 1 }
    if firstFree == words.count { words.append(0) }
    let offset = firstFree * 64 + (~words[firstFree]).trailingZeroBitCount
    guard offset <= Int(range.upperBound - range.lowerBound) else { return nil }
    words[firstFree] |= 1 << UInt64(offset % 64)
    count += 1
    return range.lowerBound + UInt32(offset)
  }

  /// Takes a number that was free.
  public mutating func take(_ number: UInt32) {
    let offset = Int(number - range.lowerBound)
    while words.count <= offset / 64 { words.append(0) }
    words[offset / 64] |= 1 << UInt64(offset % 64)
    count += 1
  }

  /// Gives a number back.
  public mutating func free(_ number: UInt32) {
    let offset = Int(number - range.lowerBound)
    words[offset / 64] &= ~(1 << UInt64(offset % 64))
    firstFree = min(firstFree, offset / 64)
    count -= 1
  }
}
