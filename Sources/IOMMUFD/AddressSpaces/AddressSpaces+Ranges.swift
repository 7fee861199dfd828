// SPDX-License-Identifier: Apache-2.0

/// The rules about the ranges of an address space: which of them are reserved, which are allowed,
/// and where a mapping can be placed.
extension AddressSpaces {
  // MARK: Reserving

  /// Keeps a range free of mappings, in the way in which an attached device's own ranges are kept
  /// free (`iopt_reserve_iova`).
  ///
  /// - Parameters:
  ///   - name: the address space.
  ///   - start: the first address.
  ///   - length: in bytes.
  /// - Throws: `ENOENT` when there is no such address space, `EINVAL` for an empty range,
  ///   `EOVERFLOW` for one that wraps around, `EADDRINUSE` when something is mapped in it or when
  ///   it was expressly allowed.
  public func reserve(_ name: String, start: UInt64, length: UInt64) throws(Refusal) {
    let ioas: IOAS = try find(.ioas, name)
    if length == 0 { throw Refusal(.EINVAL, field: "length", "nothing to reserve") }
    let (last, overflows) = start.addingReportingOverflow(length - 1)
    if overflows { throw Refusal(.EOVERFLOW, field: "length", "the range wraps around") }
    try reserve(start...last, of: ioas, for: nil)
    touch(ioas)
    recorder?.record(.updated(ioas))
  }

  private func reserve(
    _ range: ClosedRange<UInt64>, of ioas: IOAS, for owner: Device?
  ) throws(Refusal) {
    try step()
    try requireUnused(range, of: ioas, field: owner == nil ? "start" : "domain")
    ioas.reservations.append(.init(range: range, owner: owner))
    transaction.onRollback { ioas.reservations.removeLast() }
  }

  private func requireUnused(
    _ range: ClosedRange<UInt64>, of ioas: IOAS, field: String
  ) throws(Refusal) {
    if ioas.area(in: range) != nil {
      throw Refusal(.EADDRINUSE, field: field, "ioas \(ioas.name) maps something there")
    }
    if ioas.allowed.contains(where: { $0.overlaps(range) }) {
      throw Refusal(.EADDRINUSE, field: field, "ioas \(ioas.name) allows addresses there")
    }
  }

  /// Reserves the addresses at which an attached device does not reach memory, such as those to
  /// which it sends its interrupts (`iopt_table_enforce_dev_resv_regions`).
  ///
  /// - Throws: `EADDRINUSE` when something is mapped there or when it was expressly allowed.
  func reserveRanges(of device: Device, in domain: Domain) throws(Refusal) {
    guard let ioas = domain.pagingAncestor.ioas else { return }
    for range in device.smmu.driver.ops.reservedRanges(of: device) {
      try reserve(range, of: ioas, for: device)
    }
  }

  /// Lifts the reservations that were made for a device, because it is no longer attached.
  func releaseRanges(of device: Device, in domain: Domain) {
    guard let ioas = domain.pagingAncestor.ioas,
      ioas.reservations.contains(where: { $0.owner === device })
    else { return }
    let previous = ioas.reservations
    ioas.reservations.removeAll { $0.owner === device }
    transaction.onRollback { ioas.reservations = previous }
  }

  // MARK: Joining

  /// Checks that a domain can translate everything that is mapped and allowed already, before it
  /// joins the address space (`iopt_table_add_domain`).
  ///
  /// - Throws: `EADDRINUSE` when it cannot.
  func requireMappable(_ ioas: IOAS, by domain: Domain) throws(Refusal) {
    let constraints = domain.ops.constraints(of: domain)
    let aperture = constraints.aperture
    let isOutside = { (range: ClosedRange<UInt64>) in
      range.lowerBound < aperture.lowerBound || range.upperBound > aperture.upperBound
    }
    for area in ioas.areas
    where isOutside(area.iova...area.last) || !area.isAligned(to: constraints.alignment) {
      throw Refusal(
        .EADDRINUSE, field: "ioas",
        "ioas \(ioas.name) maps what the domain cannot translate: "
          + "\(hex(area.iova)) to \(hex(area.physical)), \(hex(area.length)) bytes")
    }
    if ioas.allowed.contains(where: isOutside) {
      throw Refusal(
        .EADDRINUSE, field: "ioas", "ioas \(ioas.name) allows what the domain cannot translate")
    }
  }

  /// Checks that all mappings are of whole pages, before something joins that needs them to be.
  ///
  /// - Throws: `EADDRINUSE` when one is not.
  func requirePageAligned(_ ioas: IOAS, field: String) throws(Refusal) {
    guard ioas.areas.allSatisfy({ $0.isAligned(to: ObjectCore.pageSize) }) else {
      throw Refusal(
        .EADDRINUSE, field: field, "the address space has mappings of less than a page")
    }
  }

  // MARK: Allowing

  /// Restricts the ranges in which addresses may be chosen (`iommufd_ioas_allow_iovas`). An empty
  /// list lifts the restriction.
  ///
  /// - Throws: `EINVAL` for ranges that overlap, `EADDRINUSE` for one that is not wholly usable.
  func allow(_ ranges: [ClosedRange<UInt64>], in ioas: IOAS) throws(Refusal) {
    let sorted = ranges.sorted { $0.lowerBound < $1.lowerBound }
    for (left, right) in zip(sorted, sorted.dropFirst()) where left.overlaps(right) {
      throw Refusal(.EINVAL, field: "allowed_iovas", "two of the ranges overlap")
    }
    let usable = usableRanges(of: ioas)
    for range in sorted
    where !usable.contains(where: { $0.contains(range.lowerBound) && $0.contains(range.upperBound) }
    ) {
      throw Refusal(.EADDRINUSE, field: "allowed_iovas", "something of the ranges is reserved")
    }
    try step()
    let previous = ioas.allowed
    ioas.allowed = sorted
    transaction.onRollback { ioas.allowed = previous }
    touch(ioas)
    recorder?.record(.updated(ioas))
  }

  /// The ranges in which something can be mapped, ascending (`iommufd_ioas_iova_ranges`): what the
  /// domains can translate, without what is reserved.
  func usableRanges(of ioas: IOAS) -> [ClosedRange<UInt64>] {
    let aperture = constraints(of: ioas).aperture
    var result: [ClosedRange<UInt64>] = []
    var start: UInt64? = aperture.lowerBound
    for reserved in ioas.reservations.map(\.range).sorted(by: { $0.lowerBound < $1.lowerBound }) {
      guard let from = start, from <= aperture.upperBound else { break }
      if reserved.upperBound < from { continue }
      if reserved.lowerBound > from {
        result.append(from...min(reserved.lowerBound - 1, aperture.upperBound))
      }
      start = reserved.upperBound == .max ? nil : reserved.upperBound + 1
    }
    if let start, start <= aperture.upperBound { result.append(start...aperture.upperBound) }
    return result
  }

  // MARK: Choosing

  /// The lowest address at which a mapping fits (`iopt_alloc_iova`).
  ///
  /// - Parameters:
  ///   - length: in bytes.
  ///   - physical: the address of the memory to map; nil where it is not taken yet. Its offset
  ///     within a page is kept, and as much of its alignment as a large page can use.
  /// - Throws: `ENOSPC` when it fits nowhere, `EINVAL` when the memory is not aligned as the
  ///   domains require.
  func chooseIOVA(
    _ length: UInt64, physical: UInt64?, in ioas: IOAS, _ constraints: IOVAConstraints
  ) throws(Refusal) -> UInt64 {
    let page = ObjectCore.pageSize
    // Addresses begin behind the first page: a program that forgot to set an address should not
    // find a mapping at 0.
    let spans = ioas.allowed.isEmpty ? [page...UInt64.max - page] : ioas.allowed
    let offset = (physical ?? 0) % page
    let alignment = try chosenAlignment(length, physical, constraints)
    for span in spans {
      var start = span.lowerBound
      while let candidate = AddressSpaces.firstAligned(start, alignment, offset) {
        let (last, overflows) = candidate.addingReportingOverflow(length - 1)
        if overflows || last > span.upperBound { break }
        guard let next = obstacle(to: candidate...last, in: ioas, constraints) else {
          return candidate
        }
        if next == .max { break }
        start = next + 1
      }
    }
    throw Refusal(
      .ENOSPC, field: "length", "no hole of that length is left in the address space")
  }

  private func chosenAlignment(
    _ length: UInt64, _ physical: UInt64?, _ constraints: IOVAConstraints
  ) throws(Refusal) -> UInt64 {
    guard let physical, physical != 0 else { return max(constraints.alignment, 1) }
    let largestPage: UInt64 = 2 << 20
    let whole = length > 1 ? UInt64(1) << UInt64(64 - (length - 1).leadingZeroBitCount) : 1
    let own = UInt64(1) << UInt64(physical.trailingZeroBitCount)
    let alignment = min(whole, own, largestPage)
    guard alignment >= constraints.alignment else {
      throw Refusal(
        .EINVAL, field: "physical", "not aligned to \(constraints.alignment) bytes")
    }
    return alignment
  }

  private static func firstAligned(
    _ start: UInt64, _ alignment: UInt64, _ offset: UInt64
  ) -> UInt64? {
    let (bumped, overflows) = start.addingReportingOverflow(alignment - 1)
    return overflows ? nil : bumped & ~(alignment - 1) | offset
  }

  /// The last address of what stands in the way of a range; nil when the range is free.
  private func obstacle(
    to range: ClosedRange<UInt64>, in ioas: IOAS, _ constraints: IOVAConstraints
  ) -> UInt64? {
    let aperture = constraints.aperture
    if range.lowerBound < aperture.lowerBound { return aperture.lowerBound - 1 }
    if range.upperBound > aperture.upperBound { return .max }
    if let reservation = ioas.reservations.first(where: { $0.range.overlaps(range) }) {
      return reservation.range.upperBound
    }
    return ioas.area(in: range)?.last
  }
}
