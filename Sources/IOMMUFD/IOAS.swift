// SPDX-License-Identifier: Apache-2.0

/// A mapped range of an I/O address space (`struct iopt_area`).
public struct Area: Sendable, Equatable {
  public var iova: UInt64
  /// In bytes, at least 1; `iova + length - 1` does not wrap.
  public var length: UInt64
  /// The host's physical address behind `iova`; the range is contiguous there too.
  public var physical: UInt64
  public var isReadable: Bool
  public var isWritable: Bool
  /// How many hw-queues have their ring in it; a locked area cannot be unmapped.
  var locks = 0
  /// Whether the memory was taken for the mapping and goes with it.
  var isMemoryOwned = false

  public var last: UInt64 { iova &+ (length &- 1) }
}

/// An I/O address space (`struct iommufd_ioas`): mappings that paging domains translate by.
public final class IOAS: ContextObject {
  /// Sorted by address, without overlaps.
  public internal(set) var areas: [Area] = []

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

  /// Some areas in the order of their addresses, from an address on, and where to go on.
  public func page(from start: UInt64, limit: Int) -> (areas: ArraySlice<Area>, next: UInt64?) {
    let first = firstArea(reaching: start)
    let end = min(first + limit, areas.count)
    return (areas[first..<end], end < areas.count ? areas[end].iova : nil)
  }
}

extension ObjectCore {
  @discardableResult
  public func allocateIOAS(_ name: String?, context: String) throws(Refusal) -> IOAS {
    let context: Context = try resolve(.context, context, field: "context")
    let ioas = IOAS(name: try claimName(.ioas, name), context: context)
    ioas.objectID = try claimID(context)
    try publish(ioas)
    return ioas
  }

  /// The end of an address space: memory that its mappings took is free again.
  func end(_ ioas: IOAS) { releaseMemory(of: ioas.areas) }

  /// What an address space's domains and queues together ask of a mapping.
  func constraints(of ioas: IOAS) -> IOVAConstraints {
    var result = IOVAConstraints(aperture: 0...UInt64.max, alignment: 1)
    for pin in ioas.heldBy {
      if let domain = pin.holder as? Domain {
        let each = domain.smmu.driver.constraints(of: domain)
        let lower = max(result.aperture.lowerBound, each.aperture.lowerBound)
        let upper = min(result.aperture.upperBound, each.aperture.upperBound)
        // Two drivers whose apertures do not meet leave nothing that could be mapped.
        result.aperture = lower...max(lower, upper)
        result.alignment = max(result.alignment, each.alignment)
      } else if pin.holder is HWQueue {
        result.alignment = max(result.alignment, ObjectCore.pageSize)
      }
    }
    return result
  }

  /// The host's page size in bytes.
  public static let pageSize: UInt64 = 4096
}
