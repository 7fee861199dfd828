// SPDX-License-Identifier: Apache-2.0

extension Command {
  /// Whether an SMMU with these features accepts the command. If not, its queue stops with
  /// CERROR_ILL.
  func isLegal(for features: SMMUv3Features) -> Bool {
    if isSecure { return false }
    switch opcode {
    case .prefetchConfig, .prefetchAddress, .cfgiSTE, .cfgiSTERange: return true
    case .cfgiCD, .cfgiCDAll: return features.s1p
    case .tlbiNHAll, .tlbiNHASID: return features.s1p
    case .tlbiNHVA, .tlbiNHVAA: return features.s1p && hasLegalRange(for: features)
    case .tlbiEL2All, .tlbiEL2ASID: return features.hyp && features.s1p
    case .tlbiEL2VA, .tlbiEL2VAA:
      return features.hyp && features.s1p && hasLegalRange(for: features)
    case .tlbiS12VMAll: return features.s2p
    case .tlbiS2IPA: return features.s2p && hasLegalRange(for: features)
    case .tlbiNSNHAll: return true
    case .atcInv: return features.ats && dw1.field(5, 0) <= 52
    case .priResp: return features.pri && dw1.field(13, 12) != 3
    case .resume, .stallTerm: return features.stallModel != 1
    case .sync: return dw0.field(13, 12) != 3
    default: return false
    }
  }

  /// Whether NUM, SCALE, TTL and TG are not one of the reserved combinations (section 4.4.1).
  /// Without IDR3.RIL the fields do not count.
  private func hasLegalRange(for features: SMMUv3Features) -> Bool {
    if !features.ril { return true }
    let scale = scale(hasDS: features.ds)
    if tg == 0 { return num == 0 && scale == 0 && ttl == 0 }
    if tg == 2, ttl == 1, !features.ds { return false }
    return !(num == 0 && scale == 0 && ttl == 0)
  }

  /// The addresses that an invalidation by address selects: the first and the last, the granule of
  /// their tables and the level of their leaves. The last two are nil if the command does not say
  /// them.
  func range(
    for features: SMMUv3Features
  ) -> (first: UInt64, last: UInt64, granule: Granule?, level: Int?) {
    let start = opcode == .tlbiS2IPA ? dw1 & 0x000f_ffff_ffff_f000 : address
    if !features.ril || tg == 0 { return (start, start | 0xfff, nil, nil) }
    let granule: Granule = tg == 1 ? .size4K : tg == 2 ? .size16K : .size64K
    let scale = min(scale(hasDS: features.ds), 39)
    let (pages, overflows) = (num + 1).multipliedReportingOverflow(by: 1 << scale)
    let (bytes, isTooMuch) = pages.multipliedReportingOverflow(by: 1 << UInt64(granule.shift))
    let (last, wraps) = start.addingReportingOverflow(bytes &- 1)
    return (
      start, overflows || isTooMuch || wraps ? .max : last, granule, ttl == 0 ? nil : Int(ttl)
    )
  }
}
