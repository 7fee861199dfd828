// SPDX-License-Identifier: Apache-2.0

/// What a request to unmap has done.
public struct UnmapOutcome: Sendable, Equatable {
  /// How many bytes were unmapped; 0 when everything was to go and nothing was mapped.
  public var bytes: UInt64
  /// Why a part of the range is still mapped; nil when all of it went.
  ///
  /// Only the policy that follows Linux has such an outcome: there the mappings before the obstacle
  /// stay unmapped. By the design's policy a refused request changes nothing and throws.
  public var refusal: Refusal?
}

/// Unmapping, and taking and giving back the memory behind mappings.
extension AddressSpaces {
  /// Unmaps all mappings in a range (`iommufd_ioas_unmap`, `iopt_unmap_iova`). A mapping goes as a
  /// whole, and so none may reach beyond the range.
  ///
  /// The mappings are taken in ascending order, up to the first that cannot be unmapped. By the
  /// policy that follows Linux those before it stay unmapped; by the design's policy a refused
  /// request changes nothing.
  ///
  /// - Parameters:
  ///   - name: the address space.
  ///   - iova: the first address.
  ///   - length: in bytes; with an address of 0, a length of 2^64 - 1 stands for all addresses.
  /// - Throws: `EINVAL` for an empty range, `EOVERFLOW` for one that wraps around, `ENOENT` when
  ///   there is no such address space, when nothing is mapped in the range or when a mapping
  ///   reaches beyond it, `EBUSY` when a hw-queue has its ring in a mapping.
  public func unmap(_ name: String, iova: UInt64, length: UInt64) throws(Refusal) -> UnmapOutcome {
    let ioas: IOAS = try find(.ioas, name)
    let isEverything = iova == 0 && length == .max
    if !isEverything, iova == .max || length == .max {
      throw Refusal(.EOVERFLOW, field: "length", "an address or length of all ones")
    }
    if length == 0 { throw Refusal(.EINVAL, field: "length", "nothing to unmap") }
    let (last, overflows) = iova.addingReportingOverflow(length - 1)
    if overflows { throw Refusal(.EOVERFLOW, field: "length", "the range wraps around") }
    // The address space has 2^64 addresses, one more than a length can say.
    let range = iova...(isEverything ? .max : last)
    let first = ioas.firstArea(reaching: iova)
    var end = first
    var refusal: Refusal?
    while refusal == nil, end < ioas.areas.count, ioas.areas[end].iova <= range.upperBound {
      refusal = obstacle(to: ioas.areas[end], in: range)
      if refusal == nil { end += 1 }
    }
    if let refusal, pinPolicy == .design || first == end { throw refusal }
    if first == end {
      if isEverything { return UnmapOutcome(bytes: 0) }
      throw Refusal(.ENOENT, .invalid, field: "iova", "nothing is mapped there")
    }
    try step()
    let bytes = ioas.areas[first..<end].reduce(0) { $0 &+ $1.length }
    remove(first..<end, from: ioas)
    touch(ioas)
    recorder?.record(.unmapped(ioas, iova: iova, length: bytes))
    return UnmapOutcome(bytes: bytes, refusal: refusal)
  }

  private func obstacle(to area: Area, in range: ClosedRange<UInt64>) -> Refusal? {
    if area.locks > 0 {
      return Refusal(.EBUSY, field: "iova", "a hw-queue has its ring in the mapping")
    }
    if area.iova < range.lowerBound || area.last > range.upperBound {
      return Refusal(.ENOENT, .invalid, field: "iova", "the range would split a mapping")
    }
    return nil
  }

  /// Puts a mapping at its place among those that are there.
  func insert(_ area: Area, into ioas: IOAS) {
    let index = ioas.firstArea(reaching: area.iova)
    ioas.areas.insert(area, at: index)
    core.areaCount += 1
    transaction.onRollback {
      ioas.areas.remove(at: ioas.firstArea(reaching: area.iova))
      core.areaCount -= 1
    }
  }

  private func remove(_ range: Range<Int>, from ioas: IOAS) {
    let areas = Array(ioas.areas[range])
    for area in areas { core.accesses.unpinPages(in: area.iova...area.last, of: ioas) }
    for domain in ioas.domains {
      domain.ops.unmap(areas, from: domain, in: transaction)
    }
    ioas.areas.removeSubrange(range)
    core.areaCount -= areas.count
    transaction.onRollback {
      ioas.areas.insert(contentsOf: areas, at: range.lowerBound)
      core.areaCount += areas.count
    }
    releaseMemory(of: areas)
  }

  // MARK: Memory

  /// Takes memory that nobody uses, which reads as zero from the commit on.
  ///
  /// - Throws: `ENOMEM` when the host has none left of that length.
  func takeMemory(_ length: UInt64) throws(Refusal) -> MappedMemory {
    guard let address = core.machine.allocateMemory(length, alignment: ObjectCore.pageSize) else {
      throw Refusal(.ENOMEM, field: "length", "the host has no memory left for it")
    }
    let machine = core.machine
    transaction.onRollback { machine.freeMemory(address, length) }
    // Fresh memory must not show what was in it when another mapping had it.
    transaction.onCommit { machine.clearMemory(address, length) }
    return MappedMemory(address: address, length: length)
  }

  /// Takes note that a mapping uses memory which its request named, so that no other mapping gets
  /// it as fresh memory in the meantime.
  func nameMemory(_ address: UInt64, _ length: UInt64) -> MappedMemory {
    core.machine.retainMemory(address, length)
    let machine = core.machine
    transaction.onRollback { machine.freeMemory(address, length) }
    return MappedMemory(address: address, length: length)
  }

  /// Gives up the part that mappings have in their memory. Memory of which no mapping is left is
  /// free from the commit on.
  func releaseMemory(of areas: [Area]) {
    let machine = core.machine
    for memory in areas.compactMap(\.memory) {
      memory.mappings -= 1
      transaction.onRollback { memory.mappings += 1 }
      guard memory.mappings == 0 else { continue }
      transaction.onCommit { machine.freeMemory(memory.address, memory.length) }
    }
  }
}
