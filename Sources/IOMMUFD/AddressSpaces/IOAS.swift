// SPDX-License-Identifier: Apache-2.0

/// The physical memory behind a mapping (`struct iopt_pages`). Copies of the mapping share it, and
/// it is free again when no mapping is left that has a part of it.
final class MappedMemory {
  /// The physical address of the first byte.
  let address: UInt64
  /// The length in bytes.
  let length: UInt64
  /// How many mappings have a part of it.
  var mappings = 1

  init(address: UInt64, length: UInt64) {
    self.address = address
    self.length = length
  }
}

/// A mapped range of an I/O address space (`struct iopt_area`).
public struct Area {
  /// The first address of the range in the address space.
  public var iova: UInt64
  /// The length in bytes, at least 1; `iova + length - 1` does not wrap around.
  public var length: UInt64
  /// The physical address of the host's memory behind `iova`. The range is contiguous there too.
  public var physical: UInt64
  /// Whether devices may read from the range (`IOMMU_IOAS_MAP_READABLE`).
  public var isReadable: Bool
  /// Whether devices may write to the range (`IOMMU_IOAS_MAP_WRITEABLE`).
  public var isWritable: Bool
  /// Whether a copy of the mapping may be writable, which is so when the first mapping of the
  /// memory was (`writable` of `struct iopt_pages`).
  var isMemoryWritable: Bool
  /// How many hw-queues have their ring in the area. While there is one, the area cannot be
  /// unmapped.
  var locks = 0
  /// The memory behind the mapping, which it may share with copies of itself.
  var memory: MappedMemory?

  /// The last address of the range.
  public var last: UInt64 { iova &+ (length &- 1) }

  /// Whether both addresses and the length are multiples of a power of two.
  func isAligned(to alignment: UInt64) -> Bool {
    (iova | length | physical) & (alignment - 1) == 0
  }
}

/// An I/O address space (`struct iommufd_ioas`): the mappings from I/O virtual addresses to the
/// host's memory by which its paging domains translate.
public final class IOAS: ContextObject {
  /// A range in which nothing can be mapped.
  struct Reservation {
    let range: ClosedRange<UInt64>
    /// The attached device whose range it is; nil for one that was reserved by hand.
    let owner: Device?
  }

  /// The mappings in ascending order of their addresses; no two of them overlap.
  public internal(set) var areas: [Area] = []
  /// The ranges that are kept free, in the order in which they were reserved; they may overlap.
  var reservations: [Reservation] = []
  /// The ranges, ascending, in which `map` may choose an address when the request names none
  /// (`IOMMU_IOAS_ALLOW_IOVAS`). When the list is empty, it may choose any address.
  public internal(set) var allowed: [ClosedRange<UInt64>] = []
  /// Whether domains may translate neighbouring pages by one large page
  /// (`IOMMU_OPTION_HUGE_PAGES`). When they may not, every mapping must be of whole pages.
  public internal(set) var usesHugePages = true

  init(name: String, context: Context) { super.init(.ioas, name, in: context) }

  /// The paging domains that translate by it, oldest first.
  var domains: [Domain] {
    heldBy.compactMap { $0.holder as? Domain }.sorted { $0.serial < $1.serial }
  }

  /// The index of the first area that ends at or behind an address; the number of areas if none
  /// does.
  func firstArea(reaching address: UInt64) -> Int {
    var low = 0
    var high = areas.count
    while low < high {
      let middle = (low + high) / 2
      if areas[middle].last >= address { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The first area that overlaps a range.
  func area(in range: ClosedRange<UInt64>) -> Area? {
    let index = firstArea(reaching: range.lowerBound)
    return index < areas.count && areas[index].iova <= range.upperBound ? areas[index] : nil
  }

  /// Returns one page of the list of mappings, for readers that take it in pieces.
  ///
  /// - Parameters:
  ///   - start: the address from which on mappings are listed; one that contains it is the first.
  ///   - limit: how many mappings to return at most.
  /// - Returns: the mappings in ascending order, and the address from which the next page starts;
  ///   nil when no mapping is left.
  public func page(from start: UInt64, limit: Int) -> (areas: ArraySlice<Area>, next: UInt64?) {
    let first = firstArea(reaching: start)
    let end = min(first + limit, areas.count)
    return (areas[first..<end], end < areas.count ? areas[end].iova : nil)
  }
}
