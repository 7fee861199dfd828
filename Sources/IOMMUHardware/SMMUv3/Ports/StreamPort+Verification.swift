// SPDX-License-Identifier: Apache-2.0

/// Finds stale translations. As long as the count of table writes has not changed, everything that
/// is cached agrees with the tables. When it has changed, what a translation has used is compared
/// with the tables once, and then counts as checked at the new count.
extension StreamPort {
  /// Compares what a translation used with the tables in memory.
  ///
  /// - Parameter result: the translation, or why there is none.
  /// - Returns: the first cache, on the way from the stream to the page, whose answer the tables no
  ///   longer give; nil if all agree.
  func verify(
    _ transaction: DeviceTransaction, _ use: CacheUse, _ result: Result<Mapping, TranslationFault>
  ) -> StaleTranslation? {
    guard use.agreedAt < use.now, registers.isEnabled else { return nil }
    guard let cached = stream else { return nil }
    if let stale = verifyStream(cached, use) { return stale }
    if let stale = verifyContext(cached.configuration, use) { return stale }
    return verifyMapping(transaction, cached.configuration, use, result)
  }

  /// Compares the stream table entry that was used with the one in memory.
  private func verifyStream(_ cached: CachedStream, _ use: CacheUse) -> StaleTranslation? {
    if memory.isCurrent(cached.pages) {
      stream?.agreedAt = use.now
      return nil
    }
    var walker = TableWalker(memory, core.features)
    guard let entry = try? walker.streamTableEntry(streamID, registers),
      let configuration = try? StreamConfiguration(
        entry, core.features, hasEL2Host: registers.hasEL2Host),
      configuration == cached.configuration
    else { return staleStream(cached, use) }
    stream?.pages = walker.pages
    stream?.agreedAt = use.now
    stream?.staleAt = 0
    return nil
  }

  /// Reports a stream table entry that no longer agrees.
  private func staleStream(_ cached: CachedStream, _ use: CacheUse) -> StaleTranslation {
    if cached.staleAt == 0 { stream?.staleAt = use.now }
    return StaleTranslation(
      cache: .streamTableEntry, agreedAt: cached.agreedAt,
      seenAt: cached.staleAt == 0 ? use.now : cached.staleAt, missing: .cfgiSTE(streamID))
  }

  /// Compares the context descriptor that was used with the one in memory.
  private func verifyContext(
    _ configuration: StreamConfiguration, _ use: CacheUse
  ) -> StaleTranslation? {
    guard let index = use.contextIndex, let tables = configuration.stage1,
      let place = contexts.firstIndex(where: { $0.index == index })
    else { return nil }
    let cached = contexts[place]
    if memory.isCurrent(cached.pages) {
      contexts[place].agreedAt = use.now
      return nil
    }
    var walker = TableWalker(memory, core.features)
    if let descriptor = try? walker.contextDescriptor(index, tables, configuration.stage2),
      let fresh = try? Stage1Configuration(descriptor, of: configuration, core.features),
      fresh == cached.configuration
    {
      contexts[place].pages = walker.pages
      contexts[place].agreedAt = use.now
      contexts[place].staleAt = 0
      return nil
    }
    if cached.staleAt == 0 { contexts[place].staleAt = use.now }
    return StaleTranslation(
      cache: .contextDescriptor, agreedAt: cached.agreedAt,
      seenAt: cached.staleAt == 0 ? use.now : cached.staleAt,
      missing: .cfgiCD(streamID, index))
  }

  /// Compares the translation with that of a walk without caches.
  private func verifyMapping(
    _ transaction: DeviceTransaction, _ stream: StreamConfiguration, _ use: CacheUse,
    _ result: Result<Mapping, TranslationFault>
  ) -> StaleTranslation? {
    let used = use.entry ?? stage2Entry(transaction, stream, result)
    var entry = used
    // The translation used no other entry than this one if it came from a TLB entry of stage 1, or
    // if there is no stage 1. Then the pages of this entry are all that has to be looked at.
    let isAlone = use.entry != nil || use.contextIndex == nil
    if isAlone, let used, var entry, memory.isCurrent(entry.pages) {
      entry.agreedAt = use.now
      tlb.replace(used, with: entry)
      return nil
    }
    var walker = TableWalker(memory, core.features)
    let fresh: Result<Mapping, TranslationFault>
    do { fresh = .success(try uncached.mapping(transaction, stream, &walker)) } catch {
      fresh = .failure(error)
    }
    if StreamPort.agree(result, fresh) {
      entry?.pages = walker.pages
      entry?.agreedAt = use.now
      entry?.staleAt = 0
      if let used, let entry { tlb.replace(used, with: entry) }
      return nil
    }
    let agreedAt = entry?.agreedAt ?? use.agreedAt
    let seenAt = entry.map { $0.staleAt == 0 ? use.now : $0.staleAt } ?? use.now
    if entry?.staleAt == 0 {
      entry?.staleAt = use.now
      if let used, let entry { tlb.replace(used, with: entry) }
    }
    return StaleTranslation(
      cache: .tlb, agreedAt: agreedAt, seenAt: seenAt,
      missing: missing(transaction, stream, use, result, fresh, walker))
  }

  /// The TLB entry of stage 2 that a translation without a stage 1 has used; nil if there is none
  /// any more.
  private func stage2Entry(
    _ transaction: DeviceTransaction, _ stream: StreamConfiguration,
    _ result: Result<Mapping, TranslationFault>
  ) -> TLBEntry? {
    guard let stage2 = stream.stage2 else { return nil }
    switch result {
    case .success(let mapping):
      return tlb.entry(stage2: mapping.intermediate, vmid: stage2.vmid)
    case .failure(let fault):
      return fault.isStage2 ? tlb.entry(stage2: fault.detail, vmid: stage2.vmid) : nil
    }
  }

  /// Whether two translations are the same for the device: the same address and permissions, or the
  /// same fault.
  static func agree(
    _ used: Result<Mapping, TranslationFault>, _ fresh: Result<Mapping, TranslationFault>
  ) -> Bool {
    switch (used, fresh) {
    case (.success(let used), .success(let fresh)):
      used.output == fresh.output && used.permissions == fresh.permissions
    case (.failure(let used), .failure(let fresh)): used == fresh
    default: false
    }
  }

  /// Whether only the last level of tables has changed, as far as one can tell from the depth of
  /// the walks. If more has changed, the command that is missing needs LEAF clear.
  private static func isLeafOnly(
    _ used: Result<Mapping, TranslationFault>, _ level: Int
  ) -> Bool {
    guard case .success(let used) = used else { return true }
    return used.level == level
  }

  /// The command that would have dropped the translation from the TLB.
  private func missing(
    _ transaction: DeviceTransaction, _ stream: StreamConfiguration, _ use: CacheUse,
    _ used: Result<Mapping, TranslationFault>, _ fresh: Result<Mapping, TranslationFault>,
    _ walker: TableWalker
  ) -> Command {
    guard let stage1 = contexts.first(where: { $0.index == use.contextIndex })?.configuration
    else {
      return .tlbiS2IPA(
        vmid: stream.vmid, address: transaction.address,
        leaf: StreamPort.isLeafOnly(used, walker.stage2Level))
    }
    // If a walk has just read stage 1's tables, only the entries of stage 2 that it has used can be
    // stale.
    let isSame = isStage2s(used, fresh)
    if let stage2 = stream.stage2, isSame || use.entry == nil {
      let intermediate = StreamPort.intermediate(used)
      if isSame, let intermediate, tlb.entry(stage2: intermediate, vmid: stage2.vmid) != nil {
        return .tlbiS2IPA(vmid: stage2.vmid, address: intermediate)
      }
      // The entry is of both stages together, so an invalidation by an intermediate address does
      // not drop it.
      return use.entry == nil ? .tlbiS12VMAll(vmid: stage2.vmid) : .tlbiNHAll(vmid: stage2.vmid)
    }
    let isLeaf = StreamPort.isLeafOnly(used, walker.stage1Level)
    if stage1.regime == .el1 {
      return .tlbiNHVA(
        vmid: stream.vmid, asid: stage1.asid, address: transaction.address, leaf: isLeaf)
    }
    return .tlbiEL2VA(
      asid: stage1.regime == .el2 ? 0 : stage1.asid, address: transaction.address, leaf: isLeaf)
  }

  /// The intermediate address of a translation, or the one that stage 2 refused.
  private static func intermediate(_ used: Result<Mapping, TranslationFault>) -> UInt64? {
    switch used {
    case .success(let mapping): mapping.intermediate
    case .failure(let fault): fault.isStage2 ? fault.detail : nil
    }
  }

  /// Whether the change is in stage 2, because stage 1 still gives what it gave before.
  private func isStage2s(
    _ used: Result<Mapping, TranslationFault>, _ fresh: Result<Mapping, TranslationFault>
  ) -> Bool {
    let before = StreamPort.intermediate(used)
    switch fresh {
    case .success(let mapping):
      guard case .success(let used) = used else { return before == mapping.intermediate }
      return used.intermediate == mapping.intermediate
        && used.stage1Permissions == mapping.stage1Permissions
    case .failure(let fault):
      guard fault.isStage2 else { return false }
      return fault.faultClass != .input || fault.detail == before
    }
  }
}
