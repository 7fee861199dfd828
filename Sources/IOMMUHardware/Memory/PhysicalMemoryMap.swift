// SPDX-License-Identifier: Apache-2.0

/// Which physical addresses of a machine are taken.
///
/// Memory is taken at the lowest address that fits. What is free depends on what is taken and on
/// nothing else, so an allocation that is taken back leaves no trace.
public struct PhysicalMemoryMap: Sendable {
  /// Where memory begins; below are the devices' registers.
  public static let base: UInt64 = 0x8000_0000
  /// Bytes of memory that a machine has.
  public let size: UInt64
  /// Ascending, and no two of them touch.
  private var free: [Range<UInt64>]

  /// - Parameters:
  ///   - base: the first address.
  ///   - size: in bytes; by default 1 TiB, which costs nothing until it is touched.
  public init(base: UInt64 = PhysicalMemoryMap.base, size: UInt64 = 1 << 40) {
    self.size = size
    free = size == 0 ? [] : [base..<base + size]
  }

  /// Bytes that are taken.
  public var takenBytes: UInt64 {
    free.reduce(size) { $0 - ($1.upperBound - $1.lowerBound) }
  }

  /// - Parameters:
  ///   - length: in bytes, at least 1.
  ///   - alignment: in bytes, a power of two.
  /// - Returns: an address; nil when no memory is left.
  public mutating func allocate(_ length: UInt64, alignment: UInt64) -> UInt64? {
    for (index, range) in free.enumerated() {
      let (bumped, overflows) = range.lowerBound.addingReportingOverflow(alignment - 1)
      if overflows { return nil }
      let start = bumped & ~(alignment - 1)
      guard start < range.upperBound, length <= range.upperBound - start else { continue }
      let rest = [range.lowerBound..<start, start + length..<range.upperBound]
      free.replaceSubrange(index...index, with: rest.filter { !$0.isEmpty })
      return start
    }
    return nil
  }

  /// Gives back what `allocate` has handed out.
  public mutating func free(_ address: UInt64, _ length: UInt64) {
    var range = address..<address + length
    var index = firstFree(behind: address)
    if index < free.count, free[index].lowerBound == range.upperBound {
      range = range.lowerBound..<free.remove(at: index).upperBound
    }
    if index > 0, free[index - 1].upperBound == range.lowerBound {
      index -= 1
      range = free.remove(at: index).lowerBound..<range.upperBound
    }
    free.insert(range, at: index)
  }

  private func firstFree(behind address: UInt64) -> Int {
    var low = 0
    var high = free.count
    while low < high {
      let middle = (low + high) / 2
      if free[middle].lowerBound > address { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
