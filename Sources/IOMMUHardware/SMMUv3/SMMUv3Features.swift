// SPDX-License-Identifier: Apache-2.0

/// What an SMMUv3 can do, by the names of the fields of its ID registers (IHI 0070, section 6.3).
public struct SMMUv3Features: Sendable, Equatable {
  /// IDR0.S1P: whether there is stage 1 translation.
  public var s1p = true
  /// IDR0.S2P: whether there is stage 2 translation.
  public var s2p = true
  /// IDR0.COHACC: whether accesses to tables and queues are coherent with the processors' caches.
  public var cohacc = true
  /// IDR0.HTTU: what the hardware updates in descriptors. 0 is nothing, 1 the access flag, 2 also
  /// the dirty state.
  public var httu = 2
  /// IDR0.HYP: whether there is EL2's translation regime, with its commands.
  public var hyp = false
  /// IDR0.ATS: whether devices may ask for translations and cache them.
  public var ats = true
  /// IDR0.ASID16: whether ASIDs have 16 bits, else 8.
  public var asid16 = true
  /// IDR0.VMID16: whether VMIDs have 16 bits, else 8.
  public var vmid16 = true
  /// IDR0.MSI: whether interrupts can be sent as messages.
  public var msi = true
  /// IDR0.PRI: whether devices can send page requests, and there is a PRI queue.
  public var pri = true
  /// IDR0.STALL_MODEL: what is done with a transaction that faults. 0 stalls or terminates it as
  /// tables say, 1 always terminates it, 2 always stalls it.
  public var stallModel = 0
  /// IDR1.SIDSIZE: the number of bits of a stream ID, 0 to 32.
  public var sidSize = 16
  /// IDR1.SSIDSIZE: the number of bits of a substream ID, 0 to 20; 0 means that there are none.
  public var ssidSize = 20
  /// IDR1.CMDQS: the logarithm of the most entries of a command queue, at most 19.
  public var cmdqs = 19
  /// IDR1.EVENTQS: the logarithm of the most entries of the event queue, at most 19.
  public var evtqs = 19
  /// IDR1.PRIQS: the logarithm of the most entries of the PRI queue, at most 19.
  public var priqs = 19
  /// IDR3.HAD: whether the attributes in stage 1's table descriptors can be switched off.
  public var had = false
  /// IDR3.FWB: whether stage 2 can force write-back caching (S2FWB).
  public var fwb = true
  /// IDR3.RIL: whether an invalidation can name a range of addresses.
  public var ril = true
  /// IDR3.BBML: the level of support for changing the size of a mapping without removing it first,
  /// 0 to 2.
  public var bbml = 2
  /// IDR5.OAS: the number of bits of a physical address; one of `outputSizes`.
  public var oas = 48
  /// IDR5.GRAN4K: whether tables can have granules of 4 KiB.
  public var gran4k = true
  /// IDR5.GRAN16K: whether tables can have granules of 16 KiB.
  public var gran16k = true
  /// IDR5.GRAN64K: whether tables can have granules of 64 KiB.
  public var gran64k = true
  /// IDR5.DS: whether there is the descriptor format for addresses of 52 bits. It also gives the
  /// SCALE of a range invalidation a sixth bit.
  public var ds = false
  /// IDR5.STALL_MAX: how many transactions may be stalled at once. The register says 0 if the SMMU
  /// does not stall.
  public var stallMax = 64

  /// The features of the SMMU of a current server.
  public init() {}

  /// The numbers of address bits that the codes 0 to 6 of IDR5.OAS, IPS and S2PS stand for.
  public static let outputSizes = [32, 36, 40, 42, 44, 48, 52]

  /// The code of `oas` in IDR5; that of 48 bits if there is no such code.
  public var oasCode: UInt64 {
    UInt64(SMMUv3Features.outputSizes.firstIndex(of: oas) ?? 5)
  }

  /// The number of bits of an intermediate physical address, stage 2's input.
  public var ias: Int { min(oas, 48) }

  /// The number of bits of a VMID.
  public var vmidBits: Int { vmid16 ? 16 : 8 }
  /// The number of bits of an ASID.
  public var asidBits: Int { asid16 ? 16 : 8 }

  // MARK: ID registers

  /// The value of the register SMMU_IDR0 (IHI 0070, section 6.3.1).
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

  /// The value of the register SMMU_IDR1 (IHI 0070, section 6.3.2).
  public var idr1: UInt32 {
    var value: UInt64 = 0
    value.setField(5, 0, UInt64(sidSize))
    value.setField(10, 6, UInt64(ssidSize))
    value.setField(15, 11, UInt64(priqs))
    value.setField(20, 16, UInt64(evtqs))
    value.setField(25, 21, UInt64(cmdqs))
    return UInt32(truncatingIfNeeded: value)
  }

  /// The value of the register SMMU_IDR3 (IHI 0070, section 6.3.4).
  public var idr3: UInt32 {
    var value: UInt64 = 0
    value.setBit(2, had)
    value.setBit(8, fwb)
    value.setBit(10, ril)
    value.setField(12, 11, UInt64(bbml))
    return UInt32(truncatingIfNeeded: value)
  }

  /// The value of the register SMMU_IDR5 (IHI 0070, section 6.3.6).
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
