// SPDX-License-Identifier: Apache-2.0

/// A request to map memory (`struct iommu_ioas_map`).
public struct MapRequest: Sendable, Equatable, Codable {
  /// The first address of the mapping; nil to have the lowest one chosen at which it fits.
  public var iova: UInt64?
  /// The length in bytes, from 1 to 2^64 - 2.
  public var length: UInt64
  /// Whether devices may read from the range (`IOMMU_IOAS_MAP_READABLE`).
  public var isReadable: Bool
  /// Whether devices may write to the range (`IOMMU_IOAS_MAP_WRITEABLE`).
  public var isWritable: Bool
  /// The physical address of the memory to map; nil to take memory that nobody else uses.
  ///
  /// The kernel is told a virtual address of the caller (`user_va`) and pins the pages behind it. A
  /// client of the API has no memory on the host, and so it names an address or leaves the choice.
  public var physical: UInt64?

  /// Makes a request of its fields.
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

/// Mapping memory, copying mappings, and finding what is mapped.
extension AddressSpaces {
  /// Maps memory (`iommufd_ioas_map`, `iopt_map_common`). The checks come in the kernel's order.
  ///
  /// - Parameters:
  ///   - name: the address space.
  ///   - request: what to map, and where.
  /// - Returns: the mapping, with the addresses that were chosen.
  /// - Throws: `ENOENT` when there is no such address space; `EOVERFLOW` for an address or length
  ///   of all ones, and for a range that wraps around; `EINVAL` for a mapping that is neither
  ///   readable nor writable, that is empty or badly aligned, that the attached domains do not
  ///   translate, or that touches a reserved range; `EEXIST` when it overlaps another; `ENOSPC`
  ///   when no free range is long enough; `ENOMEM` when the host has no memory left.
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
    let iova = try place(
      request.iova, request.length, physical: request.physical, in: ioas, constraints)
    let memory: MappedMemory
    if let physical = request.physical {
      try requirePlaceable(physical, request.length, constraints)
      memory = nameMemory(physical, request.length)
    } else {
      memory = try takeMemory(request.length)
      try requirePlaceable(memory.address, request.length, constraints)
    }
    return try add(
      Area(
        iova: iova, length: request.length, physical: memory.address,
        isReadable: request.isReadable,
        isWritable: request.isWritable, isMemoryWritable: request.isWritable, memory: memory),
      to: ioas)
  }

  private func requirePlaceable(
    _ physical: UInt64, _ length: UInt64, _ constraints: IOVAConstraints
  ) throws(Refusal) {
    if physical % constraints.alignment != 0 {
      throw Refusal(
        .EINVAL, field: "physical", "not aligned to \(constraints.alignment) bytes")
    }
    if physical.addingReportingOverflow(length - 1).overflow {
      throw Refusal(.EOVERFLOW, field: "physical", "the range wraps around")
    }
  }

  private func add(_ area: Area, to ioas: IOAS) throws(Refusal) -> Area {
    try step()
    for domain in ioas.domains { try domain.ops.map(area, in: domain, in: transaction) }
    insert(area, into: ioas)
    touch(ioas)
    recorder?.record(.mapped(ioas, area))
    return area
  }

  private func place(
    _ iova: UInt64?, _ length: UInt64, physical: UInt64?, in ioas: IOAS,
    _ constraints: IOVAConstraints
  ) throws(Refusal) -> UInt64 {
    let alignment = constraints.alignment
    if length == 0 || length % alignment != 0 {
      throw Refusal(
        .EINVAL, field: "length", "length \(length) is not a positive multiple of \(alignment)")
    }
    guard let iova else {
      return try chooseIOVA(length, physical: physical, in: ioas, constraints)
    }
    if iova % alignment != 0 {
      throw Refusal(.EINVAL, field: "iova", "not aligned to \(alignment) bytes")
    }
    let (last, overflows) = iova.addingReportingOverflow(length - 1)
    if overflows { throw Refusal(.EOVERFLOW, field: "length", "the range wraps around") }
    if !constraints.aperture.contains(iova) || !constraints.aperture.contains(last) {
      throw Refusal(.EINVAL, field: "iova", "outside of what the attached domains translate")
    }
    if ioas.reservations.contains(where: { $0.range.overlaps(iova...last) }) {
      throw Refusal(.EINVAL, field: "iova", "something of the range is reserved")
    }
    if ioas.area(in: iova...last) != nil {
      throw Refusal(.EEXIST, field: "iova", "the range overlaps a mapping")
    }
    return iova
  }

  // MARK: Copying

  /// Maps the memory that another address space maps already (`iommufd_ioas_copy`).
  ///
  /// - Parameters:
  ///   - source: the address space and the address where the memory is mapped; all of the range
  ///     must be.
  ///   - length: in bytes.
  ///   - ioas: looks up the address space that gets the copy; it is called only when the source is
  ///     known to be mapped, because the kernel looks for them in that order.
  ///   - iova: the first address of the copy; nil to have the lowest one chosen at which it fits.
  /// - Returns: the first address of the copy.
  /// - Throws: the errors of `contiguousAreas` and of `map`, and `EPERM` when the copy is to be
  ///   writable and the memory was not mapped so.
  func copy(
    _ source: (ioas: IOAS, iova: UInt64), _ length: UInt64, to ioas: () throws(Refusal) -> IOAS,
    at iova: UInt64?, isReadable: Bool, isWritable: Bool
  ) throws(Refusal) -> UInt64 {
    let pieces = try contiguousAreas(
      of: source.ioas, from: source.iova, length, for: .nothing, field: "src_iova")
    let ioas = try ioas()
    let constraints = constraints(of: ioas)
    let first = try place(
      iova, length, physical: pieces[0].physical, in: ioas, constraints)
    var next = first
    for piece in pieces {
      try requirePlaceable(piece.physical, piece.length, constraints)
      if isWritable, !piece.isMemoryWritable {
        throw Refusal(.EPERM, field: "src_iova", "the source is not writable")
      }
      var area = piece
      area.iova = next
      area.isReadable = isReadable
      area.isWritable = isWritable
      area.locks = 0
      if let memory = area.memory { share(memory) }
      _ = try add(area, to: ioas)
      next = next &+ area.length
    }
    return first
  }

  private func share(_ memory: MappedMemory) {
    memory.mappings += 1
    transaction.onRollback { memory.mappings -= 1 }
  }

  /// The mappings behind a range, with those at its ends cut to it. It does not matter what access
  /// they allow.
  ///
  /// - Throws: `EINVAL` for an empty range, `EOVERFLOW` for one that wraps around, `ENOENT` when a
  ///   part of it is not mapped.
  public func memory(
    of ioas: IOAS, from iova: UInt64, _ length: UInt64
  ) throws(Refusal) -> [Area] {
    try contiguousAreas(of: ioas, from: iova, length, for: .nothing, field: "iova")
  }

  /// What somebody is going to do with mapped memory, and what the mappings must therefore allow.
  enum MemoryUse {
    case nothing, reading, writing

    func isAllowed(in area: Area) -> Bool {
      switch self {
      case .nothing: true
      case .reading: area.isReadable
      case .writing: area.isWritable
      }
    }
  }

  /// The mappings behind a range, with those at its ends cut to it. The range must be mapped
  /// throughout (`iopt_for_each_contig_area`).
  ///
  /// - Throws: `EINVAL` for an empty range and `EOVERFLOW` for one that wraps around; then,
  ///   whichever stands at the lower address, `ENOENT` for a part that is not mapped and `EPERM`
  ///   for a mapping that does not allow the use.
  func contiguousAreas(
    of ioas: IOAS, from iova: UInt64, _ length: UInt64, for use: MemoryUse, field: String
  ) throws(Refusal) -> [Area] {
    if length == 0 { throw Refusal(.EINVAL, field: "length", "the range is empty") }
    let (last, overflows) = iova.addingReportingOverflow(length - 1)
    if overflows { throw Refusal(.EOVERFLOW, field: "length", "the range wraps around") }
    var result: [Area] = []
    var next = iova
    for area in ioas.areas[ioas.firstArea(reaching: iova)...] {
      guard area.iova <= next else { break }
      guard use.isAllowed(in: area) else {
        throw Refusal(
          .EPERM, field: field, "the mapping at \(hex(next)) does not allow \(use)")
      }
      var piece = area
      piece.physical = area.physical &+ (next - area.iova)
      piece.iova = next
      piece.length = min(area.last, last) - next + 1
      result.append(piece)
      if area.last >= last { return result }
      next = area.last + 1
    }
    throw Refusal(.ENOENT, .invalid, field: field, "nothing is mapped at \(hex(next))")
  }
}
