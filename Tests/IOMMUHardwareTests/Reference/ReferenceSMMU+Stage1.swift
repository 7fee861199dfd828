// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

/// One of the two ranges of virtual addresses.
struct ReferenceHalf {
  var granule: ReferenceGranule
  var inputSize: UInt64
  var base: UInt64
  /// HAD: what tables say of permissions counts for nothing.
  var ignoresTables: Bool
}

/// What the tables on the way have taken away.
struct ReferenceTableBits {
  var apNoUnprivileged = false
  var apReadOnly = false
  var xn = false
  var pxn = false
}

extension ReferenceSMMU {
  func translateStage1(
    _ access: DeviceTransaction, _ context: ReferenceCD, _ entry: ReferenceSTE
  ) throws(ReferenceFault) -> ReferenceTranslation {
    guard let half = half(access.address, context, entry) else {
      throw stage1Fault(ReferenceFault.translation, context)
    }
    let outputSize = size(ofCode: context.ips)
    var updates: [ReferenceUpdate] = []
    var taken = ReferenceTableBits()
    // As many levels as it takes to resolve what a page leaves of the address.
    let start = 4 - (half.inputSize - 4) / half.granule.stride
    let log2Bytes = 3 + half.inputSize - half.granule.shift(start)
    var table = aligned(half.base, to: tableAlignment(log2Bytes, outputSize))
    for level in start...3 {
      let low = half.granule.shift(level)
      let high = level == start ? half.inputSize - 1 : low + half.granule.stride - 1
      let place = table + bits(access.address, high, low) * 8
      let word = try stage1Descriptor(place, entry, &updates)
      switch ReferenceDescriptor(word, level, half.granule) {
      case .invalid: throw stage1Fault(ReferenceFault.translation, context)
      case .table:
        if !half.ignoresTables { taken.add(word) }
        table = outputBase(word, half.granule.rawValue, half.granule)
        if !fits(table, outputSize) { throw stage1Fault(ReferenceFault.addressSize, context) }
      case .leaf:
        let leaf = ReferenceLeaf(word: word, place: place, low: low, taken: taken)
        return try stage1Leaf(leaf, half, access, context, entry, updates)
      }
    }
    throw stage1Fault(ReferenceFault.translation, context)
  }

  /// The half that an address is in, if it is in one that has tables.
  private func half(
    _ address: UInt64, _ context: ReferenceCD, _ entry: ReferenceSTE
  ) -> ReferenceHalf? {
    let isAlone = hasStreamWorldEL2Alone(entry)
    let isUpper = !isAlone && bit(address, 55)
    if !isAlone && (isUpper ? context.epd1 : context.epd0) { return nil }
    let granule =
      isUpper ? ReferenceGranule.tg1(context.tg1) : ReferenceGranule.tg0(context.tg0)
    guard let granule else { return nil }
    let half = ReferenceHalf(
      granule: granule, inputSize: 64 - (isUpper ? context.t1SZ : context.t0SZ),
      base: isUpper ? context.ttb1 : context.ttb0,
      ignoresTables: features.had && (isUpper ? context.had1 : context.had0))
    // The bits above must all be zero, or all be one; the top byte's only if it counts.
    let hasTopByteIgnored = isUpper ? context.tbi1 : context.tbi0
    let top: UInt64 = hasTopByteIgnored ? 55 : 63
    for index in half.inputSize...top where bit(address, index) != isUpper { return nil }
    return half
  }

  /// Reads a descriptor of stage 1, which is at an intermediate address if there is a stage 2.
  private func stage1Descriptor(
    _ place: UInt64, _ entry: ReferenceSTE, _ updates: inout [ReferenceUpdate]
  ) throws(ReferenceFault) -> UInt64 {
    var physical = place
    if entry.hasStage2 {
      let stage2 = try translateStage2(place, entry, .tableRead)
      updates += stage2.updates
      physical = stage2.address
    }
    guard let word = read(physical) else {
      throw ReferenceFault(id: ReferenceFault.walkAbort, faultClass: 1, address: physical)
    }
    return word
  }

  /// The last level: access flag, permission, size of the output, in this order; then what the
  /// hardware writes, then stage 2.
  private func stage1Leaf(
    _ leaf: ReferenceLeaf, _ half: ReferenceHalf, _ access: DeviceTransaction,
    _ context: ReferenceCD, _ entry: ReferenceSTE, _ before: [ReferenceUpdate]
  ) throws(ReferenceFault) -> ReferenceTranslation {
    if !bit(leaf.word, 10) && !context.ha && !context.affd {
      throw stage1Fault(ReferenceFault.access, context)
    }
    let makesWritable = context.ha && context.hd && bit(leaf.word, 51) && bit(leaf.word, 7)
    let isReadOnly = bit(leaf.word, 7) && !makesWritable
    let rights =
      hasStreamWorldEL2Alone(entry)
      ? rightsOfEL2(leaf, isReadOnly, context) : rightsOfEL1(leaf, isReadOnly, context)
    if !isAllowed(access, rights) { throw stage1Fault(ReferenceFault.permission, context) }
    let base = outputBase(leaf.word, leaf.low, half.granule)
    if !fits(base, size(ofCode: context.ips)) {
      throw stage1Fault(ReferenceFault.addressSize, context)
    }
    var updated = leaf.word
    if context.ha { updated |= 1 << 10 }
    // A Translation Request for writing where that is not granted makes nothing dirty.
    let writes = access.isWrite && (access.isPrivileged ? rights.privilegedWrite : rights.write)
    if makesWritable && writes { updated &= ~(1 << 7) }
    let isClean = makesWritable && !writes && !leaf.taken.apReadOnly
    var updates = before
    if updated != leaf.word {
      var physical = leaf.place
      if entry.hasStage2 {
        let stage2 = try translateStage2(leaf.place, entry, .tableWrite)
        updates += stage2.updates
        physical = stage2.address
      }
      updates.append(ReferenceUpdate(address: physical, word: updated))
    }
    let output = base + bits(access.address, leaf.low - 1, 0)
    if !entry.hasStage2 {
      return ReferenceTranslation(
        address: output, sizeLog2: leaf.low, rights: rights, updates: updates,
        stage1SizeLog2: leaf.low, isClean: isClean)
    }
    let stage2 = try translateStage2(output, entry, .input(access, writes: writes))
    return ReferenceTranslation(
      address: stage2.address, sizeLog2: min(leaf.low, stage2.sizeLog2),
      rights: rights.and(stage2.rights), updates: updates + stage2.updates,
      stage1SizeLog2: leaf.low, stage2SizeLog2: stage2.sizeLog2,
      isClean: isClean || stage2.isClean)
  }

  private func stage1Fault(_ id: UInt64, _ context: ReferenceCD) -> ReferenceFault {
    ReferenceFault(
      id: id, isRecorded: context.records || context.stalls, isStall: context.stalls,
      isAbort: context.aborts)
  }
}

/// A descriptor of a page or block of stage 1.
struct ReferenceLeaf {
  var word: UInt64
  /// Where it is: an intermediate address if there is a stage 2.
  var place: UInt64
  /// The lowest bit of the address that its level resolves.
  var low: UInt64
  var taken: ReferenceTableBits
}

extension ReferenceTableBits {
  /// A table's bits: what is taken once is never given back.
  mutating func add(_ word: UInt64) {
    if bit(word, 61) { apNoUnprivileged = true }
    if bit(word, 62) { apReadOnly = true }
    if bit(word, 60) { xn = true }
    if bit(word, 59) { pxn = true }
  }
}

extension ReferenceSMMU {
  /// The rights of a page of EL1 and EL0, and of EL2 with EL0.
  private func rightsOfEL1(
    _ leaf: ReferenceLeaf, _ isReadOnly: Bool, _ context: ReferenceCD
  ) -> ReferenceRights {
    let isWritable = !isReadOnly && !leaf.taken.apReadOnly
    let isUnprivileged = bit(leaf.word, 6) && !leaf.taken.apNoUnprivileged
    var rights = ReferenceRights()
    rights.read = isUnprivileged
    rights.write = isUnprivileged && isWritable
    rights.privilegedRead = true
    rights.privilegedWrite = isWritable
    // Execute-only pages exist: reading is not asked for.
    rights.execute = !bit(leaf.word, 54) && !leaf.taken.xn
    if context.wxn && rights.write { rights.execute = false }
    rights.privilegedExecute = !bit(leaf.word, 53) && !leaf.taken.pxn
    // What the unprivileged may write the privileged never execute.
    if rights.write { rights.privilegedExecute = false }
    if context.wxn && rights.privilegedWrite { rights.privilegedExecute = false }
    if context.pan && isUnprivileged {
      rights.privilegedRead = false
      rights.privilegedWrite = false
    }
    return rights
  }

  /// The rights of a page of EL2 alone, where all are privileged: AP[1], PXN and the tables' bits
  /// for the unprivileged mean nothing.
  private func rightsOfEL2(
    _ leaf: ReferenceLeaf, _ isReadOnly: Bool, _ context: ReferenceCD
  ) -> ReferenceRights {
    let isWritable = !isReadOnly && !leaf.taken.apReadOnly
    let isExecutable = !bit(leaf.word, 54) && !leaf.taken.xn && !(context.wxn && isWritable)
    return ReferenceRights(
      privilegedRead: true, privilegedWrite: isWritable, privilegedExecute: isExecutable,
      read: true, write: isWritable, execute: isExecutable)
  }
}
