// SPDX-License-Identifier: Apache-2.0

/// What an SMMUv3 can do, by the names of its ID register fields (IHI 0070, section 6.3).
public struct SMMUv3Features: Sendable, Equatable {
  /// IDR0.S1P and S2P: stage 1 and stage 2 translation.
  public var s1p = true
  /// IDR0.S2P: stage 2 translation.
  public var s2p = true
  /// IDR0.COHACC: table walks and queues are coherent.
  public var cohacc = true
  /// IDR0.HTTU: 0 none, 1 access flag, 2 and dirty state.
  public var httu = 2
  /// IDR0.HYP: EL2's translation regime, and the commands for it.
  public var hyp = false
  /// IDR0.ATS: devices may translate for themselves.
  public var ats = true
  /// IDR0.ASID16 and VMID16: 16-bit identifiers, else 8-bit ones.
  public var asid16 = true
  /// IDR0.VMID16: VMIDs of 16 bits, else of 8.
  public var vmid16 = true
  /// IDR0.MSI: interrupts can be messages.
  public var msi = true
  /// IDR0.PRI: devices can ask for pages.
  public var pri = true
  /// IDR0.STALL_MODEL: 0 stall and terminate, 1 terminate only, 2 stall forced.
  public var stallModel = 0
  /// IDR1.SIDSIZE: the width of stream IDs.
  public var sidSize = 16
  /// IDR1.SSIDSIZE: the width of substream IDs; 0 for none.
  public var ssidSize = 20
  /// IDR1.CMDQS, EVENTQS and PRIQS: logarithms of the greatest queues.
  public var cmdqs = 19
  /// IDR1.EVENTQS: the logarithm of the greatest event queue.
  public var evtqs = 19
  /// IDR1.PRIQS: the logarithm of the greatest PRI queue.
  public var priqs = 19
  /// IDR3.HAD: hierarchical attributes of stage 1's tables can be switched off.
  public var had = false
  /// IDR3.FWB: stage 2 can force write-back.
  public var fwb = true
  /// IDR3.RIL: range invalidation.
  public var ril = true
  /// IDR3.BBML: the break-before-make level.
  public var bbml = 2
  /// IDR5.OAS: output address bits.
  public var oas = 48
  /// IDR5.GRAN4K: granules of 4 KiB.
  public var gran4k = true
  /// IDR5.GRAN16K: granules of 16 KiB.
  public var gran16k = true
  /// IDR5.GRAN64K: granules of 64 KiB.
  public var gran64k = true
  /// IDR5.DS: the 52-bit descriptor format.
  public var ds = false
  /// IDR5.STALL_MAX: how many transactions may be stalled at once; 0 is reported where the SMMU
  /// does not stall.
  public var stallMax = 64

  /// What the SMMU of a current server has.
  public init() {}

  /// The values of IDR5.OAS in bits, by their codes.
  public static let outputSizes = [32, 36, 40, 42, 44, 48, 52]

  /// The code of `oas`.
  public var oasCode: UInt64 {
    UInt64(SMMUv3Features.outputSizes.firstIndex(of: oas) ?? 5)
  }

  /// The width of intermediate physical addresses: stage 2's input.
  public var ias: Int { min(oas, 48) }

  /// The width of VMIDs.
  public var vmidBits: Int { vmid16 ? 16 : 8 }
  /// The width of ASIDs.
  public var asidBits: Int { asid16 ? 16 : 8 }

  // MARK: ID registers

  /// SMMU_IDR0 (IHI 0070, section 6.3.1).
  public var idr0: UInt32 {
    var value: UInt64 = 0
    value.setBit(0, s2p)
    value.setBit(1, s1p)
    value.setField(3, 2, 2)  // TTF: AArch64 tables
    value.setBit(4, cohacc)
    value.setField(7, 6, UInt64(httu))
    value.setBit(9, hyp)
    value.setBit(10, ats)
    value.setBit(12, asid16)
    value.setBit(13, msi)
    value.setBit(16, pri)
    value.setBit(18, vmid16)
    value.setBit(19, ssidSize > 0)  // CD2L
    value.setField(22, 21, 2)  // TTENDIAN: little
    value.setField(25, 24, UInt64(stallModel))
    value.setField(28, 27, 1)  // ST_LVL: two levels
    return UInt32(truncatingIfNeeded: value)
  }

  /// SMMU_IDR1 (IHI 0070, section 6.3.2).
  public var idr1: UInt32 {
    var value: UInt64 = 0
    value.setField(5, 0, UInt64(sidSize))
    value.setField(10, 6, UInt64(ssidSize))
    value.setField(15, 11, UInt64(priqs))
    value.setField(20, 16, UInt64(evtqs))
    value.setField(25, 21, UInt64(cmdqs))
    return UInt32(truncatingIfNeeded: value)
  }

  /// SMMU_IDR3 (IHI 0070, section 6.3.4).
  public var idr3: UInt32 {
    var value: UInt64 = 0
    value.setBit(2, had)
    value.setBit(8, fwb)
    value.setBit(10, ril)
    value.setField(12, 11, UInt64(bbml))
    return UInt32(truncatingIfNeeded: value)
  }

  /// SMMU_IDR5 (IHI 0070, section 6.3.6).
  public var idr5: UInt32 {
    var value: UInt64 = 0
    value.setField(2, 0, oasCode)
    value.setBit(4, gran4k)
    value.setBit(5, gran16k)
    value.setBit(6, gran64k)
    value.setBit(7, ds)
    value.setField(31, 16, stallModel == 1 ? 0 : UInt64(stallMax))
    return UInt32(truncatingIfNeeded: value)
  }
}
