// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver keeps of a nested domain (`struct arm_smmu_nested_domain`).
final class NestedDomain {
  /// The two words of a stream table entry that the guest gave, checked. EATS in them is 0; what
  /// the guest wanted of it is in `enablesATS`.
  let ste: StreamTableEntry
  let enablesATS: Bool

  init(ste: StreamTableEntry, enablesATS: Bool) {
    self.ste = ste
    self.enablesATS = enablesATS
  }
}

extension NestedDomain {
  /// The type of user data with a guest's two words of a stream table entry
  /// (`IOMMU_HWPT_DATA_ARM_SMMUV3`).
  private static let dataType: UInt32 = 2

  /// Makes a nested domain from the guest's two words of a stream table entry
  /// (`arm_vsmmu_alloc_domain_nested`).
  ///
  /// - Throws: what `UserData.copy` and `checked` throw.
  static func make(of data: UserData) throws(Refusal) -> NestedDomain {
    let ste = try data.copy(type: dataType, minimum: 16, size: 16, field: "ste")
    return try checked([ste.u64(0), ste.u64(8)])
  }

  /// Checks a guest's two words of a stream table entry, so that no bit that a guest may not set
  /// gets into the host's stream table (`arm_smmu_validate_vste`).
  ///
  /// - Throws: `EIO` for a bit that a guest may not set, or for a value that it may not choose.
  static func checked(_ words: [UInt64]) throws(Refusal) -> NestedDomain {
    var ste = StreamTableEntry(dw0: words[0], dw1: words[1])
    // A guest's entry that is not valid aborts, and nothing else in it is checked.
    guard ste.isValid else { return NestedDomain(ste: StreamTableEntry(), enablesATS: false) }
    for (index, mask) in [StreamTableEntry.guestMask0, StreamTableEntry.guestMask1].enumerated() {
      let stray = words[index] & ~mask
      if stray != 0 {
        throw Refusal(
          .EIO, field: "ste/\(index)",
          "a guest may not set the bits 0x\(String(stray, radix: 16)) of its entry")
      }
    }
    guard [.abort, .bypass, .stage1].contains(ste.config) else {
      throw Refusal(
        .EIO, field: "ste/0", "Config \(ste.config.rawValue) is not abort, bypass or stage 1")
    }
    let eats = ste.eats
    guard eats <= 1 else {
      throw Refusal(.EIO, field: "ste/1", "EATS \(eats) is not 0 or 1")
    }
    ste.eats = 0
    return NestedDomain(ste: ste, enablesATS: ste.config == .stage1 && eats == 1)
  }
}
