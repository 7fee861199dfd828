// SPDX-License-Identifier: Apache-2.0

/// Memory that was taken for a mapping (`struct iopt_pages`): free again when no mapping is left
/// that has a part of it.
final class MappedMemory {
  let address: UInt64
  /// In bytes.
  let length: UInt64
  var mappings = 1

  init(address: UInt64, length: UInt64) {
    self.address = address
    self.length = length
  }
}

/// A mapped range of an I/O address space (`struct iopt_area`).
public struct Area {
  public var iova: UInt64
  /// In bytes, at least 1; `iova + length - 1` does not wrap.
  public var length: UInt64
  /// The host's physical address behind `iova`; the range is contiguous there too.
  public var physical: UInt64
  public var isReadable: Bool
  public var isWritable: Bool
  /// Whether a copy of the mapping may be writable.
  var isMemoryWritable: Bool
  /// How many hw-queues have their ring in it; a locked area cannot be unmapped.
  var locks = 0
  /// The memory that was taken for the mapping; nil where the caller named physical addresses.
  var memory: MappedMemory?

  public var last: UInt64 { iova &+ (length &- 1) }

  func isAligned(to alignment: UInt64) -> Bool {
    (iova | length | physical) & (alignment - 1) == 0
  }
}

/// An I/O address space (`struct iommufd_ioas`): mappings that paging domains translate by.
public final class IOAS: ContextObject {
  /// A range in which nothing can be mapped.
  struct Reservation {
    let range: ClosedRange<UInt64>
    /// The attached device whose range it is; nil for one that was reserved by hand.
    let owner: Device?
  }

  /// Sorted by address, without overlaps.
  public internal(set) var areas: [Area] = []
  var reservations: [Reservation] = []
  /// Where addresses are chosen, ascending; anywhere when empty (`IOMMU_IOAS_ALLOW_IOVAS`).
  public internal(set) var allowed: [ClosedRange<UInt64>] = []
  /// Whether mappings may be put together to large pages (`IOMMU_OPTION_HUGE_PAGES`).
  public internal(set) var usesHugePages = true

  init(name: String, context: Context) { super.init(.ioas, name, in: context) }

  /// The paging domains that translate by it, oldest first.
  var domains: [Domain] {
    heldBy.compactMap { $0.holder as? Domain }.sorted { $0.serial < $1.serial }
  }

  /// The index of the first area that ends at or behind an address.
  func firstArea(reaching address: UInt64) -> Int {
    var low = 0
    var high = areas.count
    while low < high {
      let middle = (low + high) / 2
      if areas[middle].last >= address { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The first area that has something of a range.
  func area(in range: ClosedRange<UInt64>) -> Area? {
    let index = firstArea(reaching: range.lowerBound)
    return index < areas.count && areas[index].iova <= range.upperBound ? areas[index] : nil
  }

  /// Some areas in the order of their addresses, from an address on, and where to go on.
  public func page(from start: UInt64, limit: Int) -> (areas: ArraySlice<Area>, next: UInt64?) {
    let first = firstArea(reaching: start)
    let end = min(first + limit, areas.count)
    return (areas[first..<end], end < areas.count ? areas[end].iova : nil)
  }
}
