// SPDX-License-Identifier: Apache-2.0

/// The ranges of an address space in which something can be mapped.
extension AddressSpaces {
  // MARK: Reserving

  /// Keeps a range free of mappings, as a device's own addresses are (`iopt_reserve_iova`).
  ///
  /// - Throws: `EINVAL` for an empty range, `EOVERFLOW` for one that wraps, `EADDRINUSE` where
  ///   something is mapped or expressly allowed.
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

  /// A device that is attached brings ranges of its own
  /// (`iopt_table_enforce_dev_resv_regions`).
  func reserveRanges(of device: Device, in domain: Domain) throws(Refusal) {
    guard let ioas = domain.pagingAncestor.ioas else { return }
    for range in device.smmu.driver.ops.reservedRanges(of: device) {
      try reserve(range, of: ioas, for: device)
    }
  }

  /// A device that is no longer attached takes its ranges with it.
  func releaseRanges(of device: Device, in domain: Domain) {
    guard let ioas = domain.pagingAncestor.ioas,
      ioas.reservations.contains(where: { $0.owner === device })
    else { return }
    let previous = ioas.reservations
    ioas.reservations.removeAll { $0.owner === device }
    transaction.onRollback { ioas.reservations = previous }
  }

  // MARK: Joining

  /// A domain must be able to translate what is mapped already (`iopt_table_add_domain`).
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

  /// Something joins that needs mappings to be of whole pages.
  func requirePageAligned(_ ioas: IOAS, field: String) throws(Refusal) {
    guard ioas.areas.allSatisfy({ $0.isAligned(to: ObjectCore.pageSize) }) else {
      throw Refusal(
        .EADDRINUSE, field: field, "the address space has mappings of less than a page")
    }
  }

  // MARK: Allowing

  /// Says where addresses may be chosen (`iommufd_ioas_allow_iovas`); nothing lifts the limit.
  ///
  /// - Throws: `EINVAL` for ranges that are empty or overlap, `EADDRINUSE` where one has
  ///   something of what cannot be mapped.
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

  /// The ranges that are not reserved, ascending (`iommufd_ioas_iova_ranges`).
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

  /// The lowest address at which a range fits (`iopt_alloc_iova`).
  ///
  /// - Parameters:
  ///   - physical: what is to be mapped, where that is known; its offset in the page is kept, and
  ///     as much of its alignment as large pages can use.
  /// - Throws: `ENOSPC` when nothing fits.
  func chooseIOVA(
    _ length: UInt64, physical: UInt64?, in ioas: IOAS, _ constraints: IOVAConstraints
  ) throws(Refusal) -> UInt64 {
    let page = ObjectCore.pageSize
    // Address 0 is left out: a script that forgot an address should not find a mapping there.
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

  /// The last address of something that stands in the way of a range.
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
