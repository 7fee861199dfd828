// SPDX-License-Identifier: Apache-2.0

extension TableWalker {
  /// Translates an intermediate address by stage 2 (DDI 0487, section D8.3). The translation comes
  /// from the TLB, or else from a walk that puts its result into the TLB.
  ///
  /// - Throws: the fault that stage 2 finds.
  mutating func translate(
    intermediate address: UInt64, _ stage2: Stage2Configuration, _ purpose: Purpose
  ) throws(TranslationFault) -> Mapping {
    if let entry = cached(address, stage2) {
      let hit = entry.mapping(of: address)
      // A write to a clean page must change the descriptor, so it needs a walk.
      if !(hit.isClean && purpose.isWrite) {
        use(entry)
        try check(hit, address, stage2, purpose)
        return hit
      }
    }
    return try fill(address, stage2, purpose)
  }

  // This is not mutating, so that the compiler need not count a reference to the TLB.
  private func cached(_ address: UInt64, _ stage2: Stage2Configuration) -> TLBEntry? {
    tlb?.entry(stage2: address, vmid: stage2.vmid)
  }

  /// Puts an entry into the TLB, unless something was invalidated since `epoch` was read.
  private func keep(_ entry: TLBEntry, _ epoch: UInt64) { tlb?.insert(entry, epoch: epoch) }

  /// Notes that a cached entry was used, by adding its pages to those of the walk. If one of its
  /// tables was written since the entry was made, the walk's result may be stale, and `agreedAt`
  /// says since when.
  private mutating func use(_ entry: TLBEntry) {
    if memory.add(entry.pages, to: &pages) { return }
    agreedAt = min(agreedAt, entry.agreedAt)
    pages = .unknown
  }

  /// Translates by a walk, and puts the result into the TLB.
  private mutating func fill(
    _ address: UInt64, _ stage2: Stage2Configuration, _ purpose: Purpose
  ) throws(TranslationFault) -> Mapping {
    let epoch = tlb?.epoch(stage2.vmid) ?? 0
    let now = memory.tableWrites
    stage2Pages = TablePages()
    for _ in 0..<TableWalker.retries {
      if let mapping = try walk(address, stage2, purpose) {
        keep(
          TLBEntry(
            mapping, at: address, .stage2, vmid: stage2.vmid, asid: 0, agreedAt: now,
            stage2Pages),
          epoch)
        return mapping
      }
    }
    throw fault(.walkEABT, stage2, purpose, detail: stage2.base)
  }

  /// A fault of stage 2. If it is one that S2S and S2R govern, they say whether it stalls and is
  /// recorded.
  ///
  /// - Parameter detail: the intermediate address, or where a fetch was aborted.
  func fault(
    _ id: EventRecord.ID, _ stage2: Stage2Configuration, _ purpose: Purpose, detail: UInt64
  ) -> TranslationFault {
    var fault = TranslationFault(
      id, isStage2: true, class: purpose.faultClass, detail: detail)
    fault.isTableRead = purpose.isTableRead
    if fault.isTranslationRelated {
      fault.isStall = stage2.stalls
      fault.isRecorded = stage2.records || stage2.stalls
    }
    return fault
  }

  /// Checks stage 2's permissions, which do not tell the privileged and the unprivileged apart.
  /// With S2PTW, stage 1's tables and descriptors must not be in device memory either.
  private func check(
    _ mapping: Mapping, _ address: UInt64, _ stage2: Stage2Configuration, _ purpose: Purpose
  ) throws(TranslationFault) {
    let isForbiddenWalk =
      purpose.faultClass != .input && stage2.protectsTableWalks && mapping.isDeviceMemory
    if isForbiddenWalk || !mapping.permissions.isSuperset(of: purpose.need) {
      throw fault(.permission, stage2, purpose, detail: address)
    }
  }

  /// Walks stage 2's tables.
  ///
  /// - Returns: nil if a descriptor was changed by somebody else while its flags were to be set.
  private mutating func walk(
    _ address: UInt64, _ stage2: Stage2Configuration, _ purpose: Purpose
  ) throws(TranslationFault) -> Mapping? {
    if address & ~UInt64.ones(stage2.inputSize) != 0 {
      throw fault(.translation, stage2, purpose, detail: address)
    }
    let granule = stage2.granule
    var table = stage2.base
    var bits = stage2.inputSize - granule.shift(atLevel: stage2.startLevel)
    for level in stage2.startLevel...3 {
      stage2Level = level
      let shift = granule.shift(atLevel: level)
      let entry = table | ((address >> UInt64(shift)) & UInt64.ones(bits)) << 3
      bits = granule.stride
      let word: UInt64
      do { word = try readStage2(entry) } catch {
        throw fault(.walkEABT, stage2, purpose, detail: entry)
      }
      let descriptor = TableDescriptor(word: word)
      switch descriptor.kind(atLevel: level, granule, isWide: features.oas > 48) {
      case .invalid:
        throw fault(.translation, stage2, purpose, detail: address)
      case .table(let next):
        if next & ~UInt64.ones(stage2.outputSize) != 0 {
          throw fault(.addrSize, stage2, purpose, detail: address)
        }
        table = next
      case .leaf(let base):
        return try leaf(descriptor, entry, base, level, address, stage2, purpose)
      }
    }
    throw fault(.translation, stage2, purpose, detail: address)
  }

  /// Checks a leaf, and sets its access flag and dirty state where that is asked for. The order of
  /// the checks is the order in which faults have priority.
  private func leaf(
    _ descriptor: TableDescriptor, _ entry: UInt64, _ base: UInt64, _ level: Int,
    _ address: UInt64, _ stage2: Stage2Configuration, _ purpose: Purpose
  ) throws(TranslationFault) -> Mapping? {
    let word = descriptor.word
    var updated = word
    if !descriptor.isAccessed {
      if stage2.setsAccessFlag {
        updated.setBit(10, true)
      } else if !stage2.accessFlagFaultDisabled {
        throw fault(.access, stage2, purpose, detail: address)
      }
    }
    let mayBecomeDirty = stage2.setsDirtyState && descriptor.hasDirtyState
    let shift = stage2.granule.shift(atLevel: level)
    var permissions = Permissions()
    permissions.set(.anyRead, word.bit(6))
    permissions.set(.anyWrite, word.bit(7) || mayBecomeDirty)
    // A page that cannot be read can still be executed (IHI 0070, section 5.2, S2AA64).
    permissions.set(.anyExecute, !word.bit(54))
    var mapping = Mapping(
      output: base | address & UInt64.ones(shift), intermediate: address, sizeLog2: shift,
      stage1SizeLog2: shift, permissions: permissions, stage1Permissions: .all, level: level,
      granule: stage2.granule)
    // With S2FWB, MemAttr[2] alone says whether it is device memory. Without it, MemAttr[3:2] are
    // zero for device memory.
    mapping.isDeviceMemory = stage2.forcesWriteBack ? !word.bit(4) : word.field(5, 4) == 0
    mapping.isClean = mayBecomeDirty && !word.bit(7)
    try check(mapping, address, stage2, purpose)
    if base & ~UInt64.ones(stage2.outputSize) != 0 {
      throw fault(.addrSize, stage2, purpose, detail: address)
    }
    if purpose.isWrite, mapping.isClean {
      updated.setBit(7, true)
      mapping.isClean = false
    }
    do {
      return try replace(entry, word, updated) == .done ? mapping : nil
    } catch {
      throw fault(.walkEABT, stage2, purpose, detail: entry)
    }
  }
}
