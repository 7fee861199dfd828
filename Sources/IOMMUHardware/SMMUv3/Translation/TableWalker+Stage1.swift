// SPDX-License-Identifier: Apache-2.0

extension TableWalker {
  /// What a walk of stage 1 starts from.
  struct Stage1Walk {
    /// The context descriptor, decoded.
    let stage1: Stage1Configuration
    /// The stage 2 that translates the output; nil for none.
    let stage2: Stage2Configuration?
    /// The stage 2 that translates the addresses of stage 1's tables; nil for none. It differs from
    /// `stage2` for a split-stage ATS request, whose answer is stage 1's output.
    let tablesStage2: Stage2Configuration?
    /// The transaction whose address is translated.
    let transaction: DeviceTransaction

    init(
      stage1: Stage1Configuration, stage2: Stage2Configuration?,
      tablesStage2: Stage2Configuration?, _ transaction: DeviceTransaction
    ) {
      self.stage1 = stage1
      self.stage2 = stage2
      self.tablesStage2 = tablesStage2
      self.transaction = transaction
    }

    /// Whether the transaction makes the page dirty. A Translation Request for writing does so only
    /// if writing is granted (section 3.13.7).
    func writes(_ mapping: Mapping) -> Bool {
      let need: Permissions = transaction.isPrivileged ? .privilegedWrite : .write
      return transaction.isWrite && mapping.stage1Permissions.isSuperset(of: need)
    }

    /// A fault of stage 1. If it is one that S, R and A govern, they say whether it stalls, is
    /// recorded, and aborts.
    ///
    /// - Parameter detail: where a fetch was aborted.
    func fault(_ id: EventRecord.ID, detail: UInt64 = 0) -> TranslationFault {
      // The CLASS of an aborted fetch is the table walk; that of every other fault is the input
      // address.
      var fault = TranslationFault(
        id, class: id == .walkEABT ? .tableWalk : .input, detail: detail)
      if fault.isTranslationRelated {
        fault.isStall = stage1.stalls
        fault.isRecorded = stage1.records || stage1.stalls
        fault.isAbort = stage1.aborts
      }
      return fault
    }
  }

  /// The restrictions that the table descriptors on the way to a leaf impose on it (APTable,
  /// XNTable, PXNTable).
  private struct TableAttributes {
    /// APTable bit 1: the leaf is read-only.
    var isReadOnly = false
    /// APTable bit 0: the leaf is for privileged accesses only.
    var isPrivilegedOnly = false
    /// XNTable: instructions must not be fetched from it; in EL1's regime that is the rule for
    /// unprivileged accesses.
    var isExecuteNever = false
    /// PXNTable: privileged accesses must not fetch instructions from it.
    var isPrivilegedExecuteNever = false

    /// Adds the restrictions of one table descriptor.
    mutating func add(_ word: UInt64) {
      isReadOnly = isReadOnly || word.bit(62)
      isPrivilegedOnly = isPrivilegedOnly || word.bit(61)
      isExecuteNever = isExecuteNever || word.bit(60)
      isPrivilegedExecuteNever = isPrivilegedExecuteNever || word.bit(59)
    }
  }

  /// Translates a virtual address by stage 1 and, for a nested stream, its output by stage 2.
  ///
  /// - Throws: the fault that one of the stages finds.
  mutating func translate(_ walk: Stage1Walk) throws(TranslationFault) -> Mapping {
    for _ in 0..<TableWalker.retries {
      if var mapping = try stage1Leaf(walk) {
        if let stage2 = walk.stage2 { try combine(&mapping, walk, stage2) }
        return mapping
      }
    }
    throw walk.fault(.walkEABT, detail: walk.stage1.lower.base)
  }

  /// Has stage 2 translate stage 1's output, and narrows the mapping to what both stages have in
  /// common.
  private mutating func combine(
    _ mapping: inout Mapping, _ walk: Stage1Walk, _ stage2: Stage2Configuration
  ) throws(TranslationFault) {
    let transaction = walk.transaction
    let purpose = Purpose(
      faultClass: .input, need: transaction.need, isWrite: walk.writes(mapping))
    let second = try translate(intermediate: mapping.output, stage2, purpose)
    mapping.output = second.output
    mapping.sizeLog2 = min(mapping.sizeLog2, second.sizeLog2)
    mapping.permissions.formIntersection(second.permissions)
    mapping.isClean = mapping.isClean || second.isClean
    mapping.isDeviceMemory = second.isDeviceMemory
  }

  /// The half that the transaction's address belongs to; nil if it belongs to none, or to one
  /// without tables.
  private func half(_ walk: Stage1Walk) -> Stage1Configuration.Half? {
    let address = walk.transaction.address
    let isUpper = address.bit(55) && walk.stage1.regime != .el2
    let half = walk.stage1.half(of: address)
    guard half.isEnabled else { return nil }
    let significant = UInt64.ones(half.ignoresTopByte ? 56 : 64)
    let above = significant & ~UInt64.ones(half.inputSize)
    return address & above == (isUpper ? above : 0) ? half : nil
  }

  /// Walks stage 1's tables.
  ///
  /// - Returns: nil if a descriptor was changed by somebody else while its flags were to be set.
  private mutating func stage1Leaf(_ walk: Stage1Walk) throws(TranslationFault) -> Mapping? {
    guard let half = half(walk) else { throw walk.fault(.translation) }
    let address = walk.transaction.address
    let granule = half.granule
    var table = half.base
    var attributes = TableAttributes()
    var bits = half.inputSize - granule.shift(atLevel: half.startLevel)
    for level in half.startLevel...3 {
      stage1Level = level
      let shift = granule.shift(atLevel: level)
      let entry = table | ((address >> UInt64(shift)) & UInt64.ones(bits)) << 3
      bits = granule.stride
      let physical = try tableAddress(entry, walk, isUpdate: false)
      let word: UInt64
      do { word = try read(physical) } catch {
        throw walk.fault(.walkEABT, detail: physical)
      }
      let descriptor = TableDescriptor(word: word)
      switch descriptor.kind(atLevel: level, granule, isWide: features.oas > 48) {
      case .invalid:
        throw walk.fault(.translation)
      case .table(let next):
        if next & ~UInt64.ones(walk.stage1.outputSize) != 0 { throw walk.fault(.addrSize) }
        if !half.ignoresTableAttributes { attributes.add(word) }
        table = next
      case .leaf(let base):
        let leaf = Leaf(
          descriptor: descriptor, entry: entry, base: base, level: level, granule: granule)
        return try self.leaf(leaf, attributes, walk)
      }
    }
    throw walk.fault(.translation)
  }

  /// The physical address of a descriptor of stage 1. The tables have its intermediate address if
  /// there is a stage 2.
  private mutating func tableAddress(
    _ address: UInt64, _ walk: Stage1Walk, isUpdate: Bool
  ) throws(TranslationFault) -> UInt64 {
    guard let stage2 = walk.tablesStage2 else { return address }
    let purpose = Purpose(
      faultClass: .tableWalk, need: isUpdate ? .anyWrite : .anyRead, isWrite: isUpdate,
      isTableRead: !isUpdate)
    return try translate(intermediate: address, stage2, purpose).output
  }

  /// A leaf that a walk has come to.
  private struct Leaf {
    /// The leaf's descriptor.
    var descriptor: TableDescriptor
    /// The address of the descriptor, an intermediate one if there is a stage 2.
    var entry: UInt64
    /// The first address that the leaf maps to.
    var base: UInt64
    /// The level of its table.
    var level: Int
    /// The granule of its table.
    var granule: Granule
  }

  /// Checks a leaf, and sets its access flag and dirty state where that is asked for. The order of
  /// the checks is the order in which faults have priority.
  private mutating func leaf(
    _ leaf: Leaf, _ attributes: TableAttributes, _ walk: Stage1Walk
  ) throws(TranslationFault) -> Mapping? {
    let word = leaf.descriptor.word
    let stage1 = walk.stage1
    var updated = word
    if !leaf.descriptor.isAccessed {
      if stage1.setsAccessFlag {
        updated.setBit(10, true)
      } else if !stage1.accessFlagFaultDisabled {
        throw walk.fault(.access)
      }
    }
    let mayBecomeDirty = stage1.setsDirtyState && leaf.descriptor.hasDirtyState
    let permissions = permissions(
      word, isReadOnly: word.bit(7) && !mayBecomeDirty, attributes, stage1)
    if !permissions.isSuperset(of: walk.transaction.need) { throw walk.fault(.permission) }
    if leaf.base & ~UInt64.ones(stage1.outputSize) != 0 { throw walk.fault(.addrSize) }
    let shift = leaf.granule.shift(atLevel: leaf.level)
    let output = leaf.base | walk.transaction.address & UInt64.ones(shift)
    var mapping = Mapping(
      output: output, intermediate: output, sizeLog2: shift, stage1SizeLog2: shift,
      permissions: permissions, stage1Permissions: permissions, level: leaf.level,
      granule: leaf.granule)
    mapping.isGlobal = !word.bit(11) && stage1.regime != .el2
    mapping.isClean = mayBecomeDirty && word.bit(7) && !attributes.isReadOnly
    if walk.writes(mapping), mapping.isClean {
      updated.setBit(7, false)
      mapping.isClean = false
    }
    if updated == word { return mapping }
    // Stage 2 is asked whether the descriptor may be written even by a walk that does not write it,
    // so that both kinds of walk find the same faults.
    let physical = try tableAddress(leaf.entry, walk, isUpdate: true)
    do {
      return try replace(physical, word, updated) == .done ? mapping : nil
    } catch {
      throw walk.fault(.walkEABT, detail: physical)
    }
  }

  /// What a leaf allows, with what the tables on the way and the context descriptor (WXN, PAN) take
  /// away.
  private func permissions(
    _ word: UInt64, isReadOnly: Bool, _ attributes: TableAttributes, _ stage1: Stage1Configuration
  ) -> Permissions {
    let isWritable = !isReadOnly && !attributes.isReadOnly
    let isExecuteNever = word.bit(54) || attributes.isExecuteNever
    var result = Permissions()
    if stage1.regime == .el2 {
      result.set(.anyRead, true)
      result.set(.anyWrite, isWritable)
      result.set(.anyExecute, !isExecuteNever && !(stage1.writeExecuteNever && isWritable))
      return result
    }
    let isUser = word.bit(6) && !attributes.isPrivilegedOnly
    let isUserWritable = isUser && isWritable
    let hasPrivilegedData = !(stage1.privilegedAccessNever && isUser)
    let isPrivilegedExecuteNever = word.bit(53) || attributes.isPrivilegedExecuteNever
    result.set(.privilegedRead, hasPrivilegedData)
    result.set(.privilegedWrite, hasPrivilegedData && isWritable)
    result.set(.read, isUser)
    result.set(.write, isUserWritable)
    result.set(
      .privilegedExecute,
      !isPrivilegedExecuteNever && !isUserWritable && !(stage1.writeExecuteNever && isWritable))
    result.set(.execute, !isExecuteNever && !(stage1.writeExecuteNever && isUserWritable))
    return result
  }
}
