// SPDX-License-Identifier: Apache-2.0

/// Which physical addresses of a machine are taken.
///
/// Fresh memory comes in ascending addresses; freed memory is used again for the same length.
/// The last allocation can be taken back exactly, so a refused operation leaves no trace.
public struct PhysicalMemoryMap: Sendable {
  /// Where memory begins; below are the devices' registers.
  public static let base: UInt64 = 0x8000_0000
  /// Bytes of memory that a machine has.
  public let size: UInt64
  private var next: UInt64 = base
  private var free: [UInt64: [UInt64]] = [:]

  /// - Parameter size: in bytes; by default 1 TiB, which costs nothing until it is touched.
  public init(size: UInt64 = 1 << 40) { self.size = size }

  /// - Parameter alignment: in bytes, a power of two.
  /// - Returns: an address; nil when no memory is left.
  public mutating func allocate(_ length: UInt64, alignment: UInt64) -> UInt64? {
    if let address = free[length]?.last, address % alignment == 0 {
      free[length]?.removeLast()
      return address
    }
    let (bumped, overflows) = next.addingReportingOverflow(alignment - 1)
    if overflows { return nil }
    let start = bumped & ~(alignment - 1)
    let end = PhysicalMemoryMap.base + size
    guard start <= end, length <= end - start else { return nil }
    next = start + length
    return start
  }

  public mutating func free(_ address: UInt64, _ length: UInt64) {
    if address &+ length == next { next = address } else { free[length, default: []].append(address) }
  }
}
