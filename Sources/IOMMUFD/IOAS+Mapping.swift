// SPDX-License-Identifier: Apache-2.0

/// A request to map (`struct iommu_ioas_map`).
public struct MapRequest: Sendable, Equatable, Codable {
  /// Where; nil for the lowest address that fits.
  public var iova: UInt64?
  public var length: UInt64
  public var isReadable: Bool
  public var isWritable: Bool
  /// The physical address behind it; nil to take fresh memory.
  public var physical: UInt64?

  public init(
    iova: UInt64?, length: UInt64, isReadable: Bool, isWritable: Bool, physical: UInt64? = nil
  ) {
    self.iova = iova
    self.length = length
    self.isReadable = isReadable
    self.isWritable = isWritable
    self.physical = physical
  }
}

extension ObjectCore {
  /// Maps a range (`iommufd_ioas_map`, `iopt_map_common`); checks in the kernel's order.
  @discardableResult
  public func map(_ name: String, _ request: MapRequest) throws(Refusal) -> Area {
    if request.iova == .max || request.length == .max {
      throw Refusal(.EOVERFLOW, field: "length", "an address or length of all ones")
    }
    if !request.isReadable, !request.isWritable {
      throw Refusal(.EINVAL, field: "writable", "a mapping is readable, writable or both")
    }
    let ioas: IOAS = try find(.ioas, name)
    let constraints = constraints(of: ioas)
    let iova = try place(request, in: ioas, constraints)
    let physical =
      if let wanted = request.physical { wanted } else { try takeMemory(request.length) }
    if physical % constraints.alignment != 0 {
      throw Refusal(
        .EINVAL, field: "physical", "not aligned to \(constraints.alignment) bytes")
    }
    if physical.addingReportingOverflow(request.length - 1).overflow {
      throw Refusal(.EOVERFLOW, field: "physical", "the range wraps around")
    }
    try step()
    var area = Area(
      iova: iova, length: request.length, physical: physical, isReadable: request.isReadable,
      isWritable: request.isWritable)
    area.isMemoryOwned = request.physical == nil
    insert(area, into: ioas)
    touch(ioas)
    recorder?.record(.mapped(ioas, area))
    return area
  }

  private func place(
    _ request: MapRequest, in ioas: IOAS, _ constraints: IOVAConstraints
  ) throws(Refusal) -> UInt64 {
    let alignment = constraints.alignment
    if request.length == 0 || request.length % alignment != 0 {
      throw Refusal(
        .EINVAL, field: "length",
        "length \(request.length) is not a positive multiple of \(alignment)")
    }
    guard let iova = request.iova else {
      return try lowestHole(request.length, in: ioas, constraints)
    }
    if iova % alignment != 0 {
      throw Refusal(.EINVAL, field: "iova", "not aligned to \(alignment) bytes")
    }
    let (last, overflows) = iova.addingReportingOverflow(request.length - 1)
    if overflows { throw Refusal(.EOVERFLOW, field: "length", "the range wraps around") }
    if !constraints.aperture.contains(iova) || !constraints.aperture.contains(last) {
      throw Refusal(.EINVAL, field: "iova", "outside of what the attached domains translate")
    }
    let index = ioas.firstArea(reaching: iova)
    if index < ioas.areas.count, ioas.areas[index].iova <= last {
      throw Refusal(.EEXIST, field: "iova", "the range overlaps a mapping")
    }
    return iova
  }

  private func lowestHole(
    _ length: UInt64, in ioas: IOAS, _ constraints: IOVAConstraints
  ) throws(Refusal) -> UInt64 {
    let alignment = max(constraints.alignment, min(length & (~length &+ 1), ObjectCore.pageSize))
    // Address 0 is left out: a script that forgot an address should not find a mapping there.
    var candidate = max(constraints.aperture.lowerBound, ObjectCore.pageSize)
    for area in ioas.areas where area.last >= candidate {
      if area.iova > candidate, area.iova - candidate >= length { break }
      let (next, overflows) = area.last.addingReportingOverflow(alignment)
      if overflows { throw noHole }
      candidate = next & ~(alignment - 1)
    }
    let (last, overflows) = candidate.addingReportingOverflow(length - 1)
    if overflows || last > constraints.aperture.upperBound { throw noHole }
    return candidate
  }

  private var noHole: Refusal {
    Refusal(.ENOSPC, field: "length", "no hole of that length is left in the address space")
  }

  /// Unmaps whole areas (`iopt_unmap_iova`); 0 and 2^64 - 1 name everything.
  ///
  /// Like the kernel's it stops at the first area that stands against it. Unlike there, where
  /// what went before it stays unmapped, a refused call changes nothing.
  ///
  /// - Returns: how many bytes were unmapped.
  public func unmap(_ name: String, iova: UInt64, length: UInt64) throws(Refusal) -> UInt64 {
    let ioas: IOAS = try find(.ioas, name)
    let isEverything = iova == 0 && length == .max
    if !isEverything, iova == .max || length == .max {
      throw Refusal(.EOVERFLOW, field: "length", "an address or length of all ones")
    }
    if length == 0 { throw Refusal(.EINVAL, field: "length", "nothing to unmap") }
    let (last, overflows) = iova.addingReportingOverflow(length - 1)
    if overflows { throw Refusal(.EOVERFLOW, field: "length", "the range wraps around") }
    let first = ioas.firstArea(reaching: iova)
    var end = first
    while end < ioas.areas.count, ioas.areas[end].iova <= last {
      try requireUnmappable(ioas.areas[end], from: iova, through: last)
      end += 1
    }
    if first == end {
      if isEverything { return 0 }
      throw Refusal(.ENOENT, .invalid, field: "iova", "nothing is mapped there")
    }
    try step()
    let bytes = ioas.areas[first..<end].reduce(0) { $0 &+ $1.length }
    remove(first..<end, from: ioas)
    touch(ioas)
    recorder?.record(.unmapped(ioas, iova: iova, length: bytes))
    return bytes
  }

  private func requireUnmappable(
    _ area: Area, from first: UInt64, through last: UInt64
  ) throws(Refusal) {
    if area.locks > 0 {
      throw Refusal(.EBUSY, field: "iova", "a hw-queue has its ring in the mapping")
    }
    if area.iova < first || area.last > last {
      throw Refusal(.ENOENT, .invalid, field: "iova", "the range would split a mapping")
    }
  }

  private func insert(_ area: Area, into ioas: IOAS) {
    let index = ioas.firstArea(reaching: area.iova)
    ioas.areas.insert(area, at: index)
    transaction.onRollback { ioas.areas.remove(at: ioas.firstArea(reaching: area.iova)) }
  }

  private func remove(_ range: Range<Int>, from ioas: IOAS) {
    let areas = Array(ioas.areas[range])
    ioas.areas.removeSubrange(range)
    transaction.onRollback { ioas.areas.insert(contentsOf: areas, at: range.lowerBound) }
    releaseMemory(of: areas)
  }

  // MARK: Memory

  private func takeMemory(_ length: UInt64) throws(Refusal) -> UInt64 {
    guard let address = machine.allocateMemory(length, alignment: ObjectCore.pageSize) else {
      throw Refusal(.ENOMEM, field: "length", "the host has no memory left for it")
    }
    let machine = machine
    transaction.onRollback { machine.freeMemory(address, length) }
    return address
  }

  func releaseMemory(of areas: [Area]) {
    let machine = machine
    for area in areas where area.isMemoryOwned {
      transaction.onCommit { machine.freeMemory(area.physical, area.length) }
    }
  }

  /// The object that an operation is about.
  ///
  /// - Throws: `ENOENT` with the reason `notFound`.
  public func find<Wanted: Object>(
    _ kind: ObjectKind, _ name: String, as type: Wanted.Type = Wanted.self
  ) throws(Refusal) -> Wanted {
    guard let object = object(kind, name) as? Wanted else {
      throw Refusal(.ENOENT, .notFound, "there is no \(kind.rawValue) \(name)")
    }
    return object
  }
}
