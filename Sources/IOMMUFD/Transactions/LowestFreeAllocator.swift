// SPDX-License-Identifier: Apache-2.0

/// Hands out the lowest free number of a range, as the kernel does for object IDs, VMIDs, VINTFs,
/// SID slots and cookies.
///
/// It is a set of bits, of which only those up to the highest number ever taken are stored.
public struct LowestFreeAllocator {
  /// The numbers that can be handed out.
  public let range: ClosedRange<UInt32>
  private var words: [UInt64] = []
  /// No word below this one has a free number.
  private var firstFree = 0
  /// How many numbers are taken.
  public private(set) var count = 0

  /// Makes an allocator to which all numbers of a range are free.
  public init(_ range: ClosedRange<UInt32>) { self.range = range }

  /// Takes the lowest free number; nil when none is free.
  public mutating func allocate() -> UInt32? {
    while firstFree < words.count, words[firstFree] == .max { firstFree += 1 }
    if firstFree == words.count { words.append(0) }
    let offset = firstFree * 64 + (~words[firstFree]).trailingZeroBitCount
    guard offset <= Int(range.upperBound - range.lowerBound) else { return nil }
    words[firstFree] |= 1 << UInt64(offset % 64)
    count += 1
    return range.lowerBound + UInt32(offset)
  }

  /// Takes one number, which must be in the range and free. That is how a rollback takes a number
  /// back.
  public mutating func take(_ number: UInt32) {
    let offset = Int(number - range.lowerBound)
    while words.count <= offset / 64 { words.append(0) }
    words[offset / 64] |= 1 << UInt64(offset % 64)
    count += 1
  }

  /// Gives a number back, which must be taken.
  public mutating func free(_ number: UInt32) {
    let offset = Int(number - range.lowerBound)
    words[offset / 64] &= ~(1 << UInt64(offset % 64))
    firstFree = min(firstFree, offset / 64)
    count -= 1
  }
}
