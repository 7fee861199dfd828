// SPDX-License-Identifier: Apache-2.0

/// Which physical addresses of a machine's memory are in use, and by how many users.
///
/// Memory is handed out at the lowest address that fits and that nobody uses. What is free depends
/// only on what is in use now, so an allocation that is given back leaves no trace.
public struct PhysicalMemoryMap: Sendable {
  /// The address at which memory begins. The addresses below it belong to the registers of devices.
  public static let base: UInt64 = 0x8000_0000
  /// The size of the memory in bytes.
  public let size: UInt64
  private let range: Range<UInt64>
  /// The ranges in use, in ascending order. Two that touch have different numbers of users; else
  /// they would be one.
  private var used: [Segment] = []

  /// A range whose addresses all have the same number of users.
  private struct Segment {
    /// The addresses.
    var range: Range<UInt64>
    /// How many use them, at least 1.
    var users: Int
  }

  /// A map of which nothing is in use.
  ///
  /// - Parameters:
  ///   - base: the first address.
  ///   - size: in bytes; by default 1 TiB, which costs nothing until it is written. The sum of both
  ///     must be less than 2^64.
  public init(base: UInt64 = PhysicalMemoryMap.base, size: UInt64 = 1 << 40) {
    self.size = size
    range = base..<base + size
  }

  /// How many bytes are in use, however many users they have.
  public var takenBytes: UInt64 {
    used.reduce(0) { $0 + ($1.range.upperBound - $1.range.lowerBound) }
  }

  /// Takes the lowest range that nobody uses.
  ///
  /// - Parameters:
  ///   - length: in bytes, at least 1.
  ///   - alignment: in bytes, a power of two.
  /// - Returns: the first address of the range; nil when no range of that length is free.
  public mutating func allocate(_ length: UInt64, alignment: UInt64) -> UInt64? {
    var start = range.lowerBound
    for index in 0...used.count {
      let (bumped, overflows) = start.addingReportingOverflow(alignment - 1)
      if overflows { return nil }
      let address = bumped & ~(alignment - 1)
      let end = index < used.count ? used[index].range.lowerBound : range.upperBound
      if address < end, length <= end - address {
        retain(address, length)
        return address
      }
      if index < used.count { start = used[index].range.upperBound }
    }
    return nil
  }

  /// Counts one more user of a range that the caller names itself, whether others use it or not.
  /// The part of the range that is outside memory is left out.
  ///
  /// - Parameters:
  ///   - address: the first address.
  ///   - length: in bytes, at least 1.
  public mutating func retain(_ address: UInt64, _ length: UInt64) {
    change(address, length, by: 1)
  }

  /// Counts one user less of a range that `allocate` has handed out or that `retain` has counted.
  ///
  /// - Parameters:
  ///   - address: the first address.
  ///   - length: in bytes, at least 1.
  public mutating func free(_ address: UInt64, _ length: UInt64) {
    change(address, length, by: -1)
  }

  /// Adds `users` to the number of users of each address of the range, and puts the segments around
  /// it together anew.
  private mutating func change(_ address: UInt64, _ length: UInt64, by users: Int) {
    let (last, wraps) = address.addingReportingOverflow(length &- 1)
    let end = wraps || last == .max ? UInt64.max : last + 1
    let changed = (address..<max(address, end)).clamped(to: range)
    if changed.isEmpty { return }
    let first = firstSegment(reaching: changed.lowerBound)
    var behind = first
    var pieces: [Segment] = []
    var next = changed.lowerBound
    while behind < used.count, used[behind].range.lowerBound <= changed.upperBound {
      let segment = used[behind]
      let inner = segment.range.clamped(to: changed)
      if segment.range.lowerBound < changed.lowerBound {
        let before = segment.range.lowerBound..<min(segment.range.upperBound, changed.lowerBound)
        pieces.append(Segment(range: before, users: segment.users))
      }
      if next < inner.lowerBound {
        pieces.append(Segment(range: next..<inner.lowerBound, users: users))
      }
      if !inner.isEmpty { pieces.append(Segment(range: inner, users: segment.users + users)) }
      next = max(next, inner.upperBound)
      if segment.range.upperBound > changed.upperBound {
        let rest = max(segment.range.lowerBound, changed.upperBound)..<segment.range.upperBound
        pieces.append(Segment(range: rest, users: segment.users))
      }
      behind += 1
    }
    if next < changed.upperBound {
      pieces.append(Segment(range: next..<changed.upperBound, users: users))
    }
    pieces.sort { $0.range.lowerBound < $1.range.lowerBound }
    used.replaceSubrange(first..<behind, with: PhysicalMemoryMap.merged(pieces))
  }

  /// Joins segments that touch and have the same number of users, and leaves out what nobody uses.
  private static func merged(_ pieces: [Segment]) -> [Segment] {
    var result: [Segment] = []
    for piece in pieces where piece.users > 0 && !piece.range.isEmpty {
      if let last = result.last, last.range.upperBound == piece.range.lowerBound,
        last.users == piece.users
      {
        result[result.count - 1].range = last.range.lowerBound..<piece.range.upperBound
      } else {
        result.append(piece)
      }
    }
    return result
  }

  /// The index of the first segment that ends at the address or behind it.
  private func firstSegment(reaching address: UInt64) -> Int {
    var low = 0
    var high = used.count
    while low < high {
      let middle = (low + high) / 2
      if used[middle].range.upperBound >= address { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
