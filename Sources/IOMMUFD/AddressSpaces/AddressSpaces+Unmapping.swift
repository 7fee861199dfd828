// SPDX-License-Identifier: Apache-2.0

/// What became of a request to unmap.
public struct UnmapOutcome: Sendable, Equatable {
  public var bytes: UInt64
  /// Why something of the range stays mapped; only where Linux is followed, for elsewhere a
  /// refused request changes nothing.
  public var refusal: Refusal?
}

/// Unmapping, and the memory behind mappings.
extension AddressSpaces {
  /// Unmaps whole areas (`iommufd_ioas_unmap`, `iopt_unmap_iova`); 0 and 2^64 - 1 name everything.
  ///
  /// Areas go in the order of their addresses, up to the first that stands against it. With
  /// Linux those before it stay unmapped; by the design's policy a refused request changes
  /// nothing.
  public func unmap(_ name: String, iova: UInt64, length: UInt64) throws(Refusal) -> UnmapOutcome {
    let ioas: IOAS = try find(.ioas, name)
    let isEverything = iova == 0 && length == .max
    if !isEverything, iova == .max || length == .max {
      throw Refusal(.EOVERFLOW, field: "length", "an address or length of all ones")
    }
    if length == 0 { throw Refusal(.EINVAL, field: "length", "nothing to unmap") }
    let (last, overflows) = iova.addingReportingOverflow(length - 1)
    if overflows { throw Refusal(.EOVERFLOW, field: "length", "the range wraps around") }
    // "Everything" ends at the last address, which a length alone cannot say.
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

  func insert(_ area: Area, into ioas: IOAS) {
    let index = ioas.firstArea(reaching: area.iova)
    ioas.areas.insert(area, at: index)
    transaction.onRollback { ioas.areas.remove(at: ioas.firstArea(reaching: area.iova)) }
  }

  private func remove(_ range: Range<Int>, from ioas: IOAS) {
    let areas = Array(ioas.areas[range])
    for area in areas { core.accesses.unpinPages(in: area.iova...area.last, of: ioas) }
    for domain in ioas.domains {
      domain.ops.unmap(areas, from: domain, in: transaction)
    }
    ioas.areas.removeSubrange(range)
    transaction.onRollback { ioas.areas.insert(contentsOf: areas, at: range.lowerBound) }
    releaseMemory(of: areas)
  }

  // MARK: Memory

  func takeMemory(_ length: UInt64) throws(Refusal) -> MappedMemory {
    guard let address = core.machine.allocateMemory(length, alignment: ObjectCore.pageSize) else {
      throw Refusal(.ENOMEM, field: "length", "the host has no memory left for it")
    }
    let machine = core.machine
    transaction.onRollback { machine.freeMemory(address, length) }
    // Nobody sees what another's mapping had in it.
    transaction.onCommit { machine.clearMemory(address, length) }
    return MappedMemory(address: address, length: length)
  }

  /// Memory that a mapping names, which nobody gets as fresh while it is mapped.
  func nameMemory(_ address: UInt64, _ length: UInt64) -> MappedMemory {
    core.machine.retainMemory(address, length)
    let machine = core.machine
    transaction.onRollback { machine.freeMemory(address, length) }
    return MappedMemory(address: address, length: length)
  }

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
