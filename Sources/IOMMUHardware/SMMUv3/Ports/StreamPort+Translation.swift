// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// Which caches a translation has used.
struct CacheUse {
  /// The oldest count of table writes at which something that was used agreed with memory.
  var agreedAt = UInt64.max
  /// The index of the context descriptor that was used; nil if none was.
  var contextIndex: UInt32?
  /// The entry of the TLB that gave the translation; nil if a walk did.
  var entry: TLBEntry?
  /// The TLB's epoch when the translation began.
  var epoch: UInt64 = 0
  /// The count of table writes when the translation began.
  var now: UInt64
}

extension StreamPort {
  /// Translates a transaction for which there is no copy, and makes one of its translation.
  func translateSlowly(_ transaction: DeviceTransaction) -> TranslationAnswer {
    var transaction = transaction
    transaction.streamID = streamID
    takeRegisters()
    var use = CacheUse(now: memory.tableWrites)
    do {
      let mapping = try map(transaction, &use)
      let stale = verify(transaction, use, .success(mapping))
      if stale == nil { copy(mapping, transaction, use) }
      return TranslationAnswer(.translated(Translation(mapping)), stale: stale)
    } catch {
      return end(transaction, error, stale: verify(transaction, use, .failure(error)))
    }
  }

  /// Reads the registers again if they have been written since the last transaction.
  func takeRegisters() {
    let generation = core.registerGeneration.load(ordering: .acquiring)
    if generation == registerGeneration { return }
    registers = core.state.withLock { $0.registers.translation }
    registerGeneration = generation
  }

  /// Makes a copy of a translation, where the next transaction will find it. A clean page is not
  /// copied, because the first write to it must change its descriptor.
  private func copy(_ mapping: Mapping, _ transaction: DeviceTransaction, _ use: CacheUse) {
    guard registers.isEnabled, transaction.kind == .untranslated, !mapping.isClean else { return }
    var copy = TranslationCopy()
    copy.page = transaction.address >> 12
    copy.output = mapping.output & ~0xfff
    copy.key = StreamPort.key(transaction.substreamID)
    copy.permissions = mapping.permissions.rawValue
    copy.sizeLog2 = UInt8(truncatingIfNeeded: mapping.sizeLog2)
    copy.stamp = use.epoch &+ use.now
    if copies.count == 1 {
      copies = MaskedTable(log2Count: StreamPort.copyLog2Count, repeating: TranslationCopy())
    }
    copies[StreamPort.slot(copy.page, copy.key)] = copy
  }

  /// Ends a transaction that has faulted: records the fault, and stalls the transaction if it has
  /// to wait for software.
  private func end(
    _ transaction: DeviceTransaction, _ fault: TranslationFault, stale: StaleTranslation?
  ) -> TranslationAnswer {
    if fault.isStall, transaction.kind == .untranslated {
      let limit = core.features.stallMax
      let stag = core.change { state -> UInt16? in
        let stag = state.stalls.add(transaction, limit: limit)
        state.record(EventRecord(fault, of: transaction, stag: stag))
        return stag
      }
      if let stag {
        return TranslationAnswer(.stalled(stag: stag, fault), stale: stale)
      }
    } else if fault.isRecorded {
      core.change { $0.record(EventRecord(fault, of: transaction)) }
    }
    return TranslationAnswer(fault.isAbort ? .aborted(fault) : .zero(fault), stale: stale)
  }

  // MARK: With the caches

  /// Translates a transaction with the stream table entry, the context descriptors and the TLB
  /// entries that are cached, and caches what it has to read.
  func map(
    _ transaction: DeviceTransaction, _ use: inout CacheUse
  ) throws(TranslationFault) -> Mapping {
    if !registers.isEnabled {
      return try uncached.translateWhileDisabled(transaction)
    }
    var walker = TableWalker(memory, core.features, tlb: tlb, updatesTables: true)
    let stream = try configuration(&use)
    use.epoch = tlb.epoch(vmid)
    defer { use.agreedAt = min(use.agreedAt, walker.agreedAt) }
    if stream.mode == .abort { throw .silentAbort }
    if transaction.kind == .translated {
      return try walker.translated(transaction, stream, registers)
    }
    if transaction.kind == .translationRequest, stream.eats(registers) == 0 {
      throw TranslationFault(.badATSTReq)
    }
    let index = try TableWalker.contextIndex(transaction.substreamID, stream)
    guard let index, let tables = stream.stage1 else {
      return try walker.translate(transaction, stream, nil)
    }
    let stage1 = try context(index, tables, stream, &use)
    // A Translation Request with split-stage ATS asks for the output of stage 1 alone, which the
    // TLB has no entries for.
    if transaction.kind == .translationRequest, stream.eats == 2 {
      return try walker.translate(transaction, stream, stage1)
    }
    return try map(transaction, stream, stage1, &walker, &use)
  }

  /// The same translation without any cache.
  var uncached: UncachedTranslation {
    UncachedTranslation(memory: memory, features: core.features, registers: registers)
  }

  /// The stream table entry, decoded. If it is not cached it is read from memory, and cached.
  private func configuration(
    _ use: inout CacheUse
  ) throws(TranslationFault) -> StreamConfiguration {
    if let stream {
      use.agreedAt = min(use.agreedAt, stream.agreedAt)
      return stream.configuration
    }
    var walker = TableWalker(memory, core.features)
    let entry = try walker.streamTableEntry(streamID, registers)
    let configuration = try StreamConfiguration(
      entry, core.features, hasEL2Host: registers.hasEL2Host)
    stream = CachedStream(
      configuration: configuration, pages: walker.pages, agreedAt: use.now)
    // Translations of EL2 have no VMID.
    vmid = configuration.regime == .el1 ? configuration.vmid : 0
    dropCopies()
    return configuration
  }

  /// The context descriptor with an index, decoded. If it is not cached it is read from memory, and
  /// cached.
  private func context(
    _ index: UInt32, _ tables: Stage1Tables, _ stream: StreamConfiguration,
    _ use: inout CacheUse
  ) throws(TranslationFault) -> Stage1Configuration {
    use.contextIndex = index
    if let context = contexts.first(where: { $0.index == index }) {
      use.agreedAt = min(use.agreedAt, context.agreedAt)
      return context.configuration
    }
    var walker = TableWalker(memory, core.features, tlb: tlb, updatesTables: true)
    defer { use.agreedAt = min(use.agreedAt, walker.agreedAt) }
    let descriptor = try walker.contextDescriptor(index, tables, stream.stage2)
    let configuration = try Stage1Configuration(descriptor, of: stream, core.features)
    keep(
      CachedContext(
        index: index, configuration: configuration, pages: walker.pages,
        agreedAt: min(use.now, walker.agreedAt)))
    return configuration
  }

  /// Translates a transaction by stage 1, and by stage 2 if there is one. The translation comes
  /// from the TLB, or else from a walk that puts its result into the TLB.
  private func map(
    _ transaction: DeviceTransaction, _ stream: StreamConfiguration, _ stage1: Stage1Configuration,
    _ walker: inout TableWalker, _ use: inout CacheUse
  ) throws(TranslationFault) -> Mapping {
    let address = StreamPort.tag(transaction.address, stage1.regime)
    let asid = stage1.regime == .el2 ? 0 : stage1.asid
    // The TLB's entries do not have an address's top byte. If that byte counts and is not the one
    // that the half of addresses has, a walk has to decide about the address.
    let isTagged = address == transaction.address || stage1.half(of: address).ignoresTopByte
    if isTagged, let entry = tlb.entry(address, stage1.regime, vmid: vmid, asid: asid) {
      let mapping = entry.mapping(of: address)
      if !(mapping.isClean && transaction.isWrite) {
        use.entry = entry
        use.agreedAt = min(use.agreedAt, entry.agreedAt)
        try check(mapping, transaction, stream, stage1, walker)
        return mapping
      }
    }
    let mapping = try walker.translate(
      TableWalker.Stage1Walk(
        stage1: stage1, stage2: stream.stage2, tablesStage2: stream.stage2, transaction))
    let entry = TLBEntry(
      mapping, at: address, stage1.regime, vmid: vmid, asid: asid,
      agreedAt: min(use.now, walker.agreedAt), walker.pages)
    tlb.insert(entry, epoch: use.epoch)
    return mapping
  }

  /// The address by which the TLB is searched. Its top byte is a copy of bit 55, because the device
  /// may use that byte for itself.
  static func tag(_ address: UInt64, _ regime: TLBEntry.Regime) -> UInt64 {
    UInt64(bitPattern: Int64(bitPattern: address << 8) >> 8)
  }

  /// Checks the permissions of a translation from the TLB.
  ///
  /// - Throws: the fault of the stage that does not allow the access.
  private func check(
    _ mapping: Mapping, _ transaction: DeviceTransaction, _ stream: StreamConfiguration,
    _ stage1: Stage1Configuration, _ walker: TableWalker
  ) throws(TranslationFault) {
    let need = transaction.need
    if mapping.permissions.isSuperset(of: need) { return }
    if let stage2 = stream.stage2, mapping.stage1Permissions.isSuperset(of: need) {
      let purpose = TableWalker.Purpose(
        faultClass: .input, need: need, isWrite: transaction.isWrite)
      throw walker.fault(.permission, stage2, purpose, detail: mapping.intermediate)
    }
    let walk = TableWalker.Stage1Walk(
      stage1: stage1, stage2: stream.stage2, tablesStage2: stream.stage2, transaction)
    throw walk.fault(.permission)
  }
}
