// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// What a guest invalidates clears words that a test can look at.
extension MockDriver {
  /// The type of both kinds of entries (`IOMMU_HWPT_INVALIDATE_DATA_SELFTEST`,
  /// `IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST`).
  private static let entryType: UInt32 = 0xdead_beef
  /// The flag of an entry that clears all words.
  private static let clearsAll: UInt32 = 1

  func invalidate(
    _ target: InvalidationTarget, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome {
    switch target {
    case .domain(let domain): invalidate(domain, request, in: transaction)
    case .viommu(let viommu): invalidate(viommu, request, in: transaction)
    }
  }

  /// Carries out entries one by one until one is refused.
  private func each(
    of count: Int, _ body: (Int) throws(Refusal) -> Void
  ) -> InvalidationOutcome {
    for index in 0..<count {
      do throws(Refusal) {
        try body(index)
      } catch {
        return InvalidationOutcome(handled: index, refusal: error)
      }
    }
    return InvalidationOutcome(handled: count)
  }

  private func check(
    flags: UInt32, word: UInt32, limit: Int, _ index: Int
  ) throws(Refusal) {
    if flags & ~MockDriver.clearsAll != 0 {
      throw Refusal(.EOPNOTSUPP, field: "entries/\(index)/flags", "has bits that are not known")
    }
    if word > limit {
      throw Refusal(.EINVAL, field: "entries/\(index)", "there are words 0 to \(limit)")
    }
  }

  /// `mock_domain_cache_invalidate_user`: each entry is copied when its turn comes.
  private func invalidate(
    _ domain: Domain, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome {
    guard request.type == MockDriver.entryType,
      let nested = domain.driverData as? MockNestedDomain
    else {
      return InvalidationOutcome(
        handled: 0, refusal: Refusal(.EINVAL, field: "type", "no entries of that type"))
    }
    transaction.noteChange(of: domain)
    let previous = nested.iotlb
    transaction.onRollback { nested.iotlb = previous }
    return each(of: request.count) { (index) throws(Refusal) in
      let data = UserData(type: request.type, bytes: Array(request.entry(index)))
      let entry = try data.copy(
        type: MockDriver.entryType, minimum: 8, size: 8, field: "entries/\(index)")
      let (flags, word) = (entry.u32(0), entry.u32(4))
      try check(flags: flags, word: word, limit: MockNestedDomain.iotlbLimit, index)
      MockDriver.clear(&nested.iotlb, flags, word)
    }
  }

  /// `mock_viommu_cache_invalidate`: all entries are copied first. None at all only asks for
  /// the type.
  private func invalidate(
    _ viommu: VIOMMU, _ request: InvalidationArray, in transaction: Transaction
  ) -> InvalidationOutcome {
    if request.count == 0, request.type == MockDriver.entryType {
      return InvalidationOutcome(handled: 0)
    }
    let entries: [LittleEndian]
    do throws(Refusal) {
      entries = try request.copyAll(type: MockDriver.entryType, size: 12)
    } catch {
      return InvalidationOutcome(handled: 0, refusal: error)
    }
    return each(of: entries.count) { (index) throws(Refusal) in
      let entry = entries[index]
      let (flags, virtualID, word) = (entry.u32(0), UInt64(entry.u32(4)), entry.u32(8))
      try check(flags: flags, word: word, limit: MockMaster.cacheLimit, index)
      guard let vdev = viommu.vdevs[virtualID],
        let master = vdev.device.driverData as? MockMaster
      else {
        throw Refusal(
          .EINVAL, field: "entries/\(index)", "vIOMMU \(viommu.name) has no vdev \(virtualID)")
      }
      transaction.noteChange(of: vdev.device)
      let previous = master.cache
      transaction.onRollback { master.cache = previous }
      MockDriver.clear(&master.cache, flags, word)
    }
  }

  private static func clear(_ words: inout [UInt64], _ flags: UInt32, _ word: UInt32) {
    if flags & clearsAll != 0 {
      words = words.map { _ in 0 }
    } else {
      words[Int(word)] = 0
    }
  }
}
