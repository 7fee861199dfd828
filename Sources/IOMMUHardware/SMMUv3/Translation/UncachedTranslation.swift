// SPDX-License-Identifier: Apache-2.0

/// A translation by the tables in memory alone: no cache is looked up or filled, and no access flag
/// is set. The answers of the machine, which has caches, are checked against it.
public struct UncachedTranslation {
  /// The memory that the tables are in.
  public let memory: PhysicalMemory
  /// What the SMMU can do.
  public let features: SMMUv3Features
  /// What the SMMU's registers say about translation.
  public let registers: TranslationRegisters

  /// A translation by all that it depends on.
  public init(
    memory: PhysicalMemory, features: SMMUv3Features, registers: TranslationRegisters
  ) {
    self.memory = memory
    self.features = features
    self.registers = registers
  }

  /// Translates a transaction as the stream table in memory says.
  ///
  /// - Throws: why the transaction does not go on.
  public func translate(_ transaction: DeviceTransaction) throws(TranslationFault) -> Translation {
    if !registers.isEnabled { return Translation(try translateWhileDisabled(transaction)) }
    var walker = TableWalker(memory, features)
    let entry = try walker.streamTableEntry(transaction.streamID, registers)
    return try translate(transaction, entry)
  }

  /// Translates a transaction with a stream table entry that need not be in memory. All other
  /// tables are read from memory.
  ///
  /// - Throws: why the transaction does not go on.
  public func translate(
    _ transaction: DeviceTransaction, _ entry: StreamTableEntry
  ) throws(TranslationFault) -> Translation {
    let stream = try StreamConfiguration(entry, features, hasEL2Host: registers.hasEL2Host)
    var walker = TableWalker(memory, features)
    return Translation(try mapping(transaction, stream, &walker))
  }

  /// What a disabled SMMU (CR0.SMMUEN = 0) does with a transaction: GBPA says whether it aborts or
  /// lets it pass.
  func translateWhileDisabled(
    _ transaction: DeviceTransaction
  ) throws(TranslationFault) -> Mapping {
    let isTooWide = transaction.address & ~UInt64.ones(features.oas) != 0
    if registers.abortsWhileDisabled || isTooWide || transaction.kind == .translationRequest {
      throw .silentAbort
    }
    return Mapping(bypassing: transaction.address)
  }

  /// Translates a transaction of a stream whose entry is decoded.
  ///
  /// - Parameter walker: notes what is read.
  func mapping(
    _ transaction: DeviceTransaction, _ stream: StreamConfiguration, _ walker: inout TableWalker
  ) throws(TranslationFault) -> Mapping {
    if stream.mode == .abort { throw .silentAbort }
    if transaction.kind == .translated {
      return try walker.translated(transaction, stream, registers)
    }
    if transaction.kind == .translationRequest, stream.eats(registers) == 0 {
      throw TranslationFault(.badATSTReq)
    }
    let index = try TableWalker.contextIndex(transaction.substreamID, stream)
    var stage1: Stage1Configuration?
    if let index, let tables = stream.stage1 {
      let cd = try walker.contextDescriptor(index, tables, stream.stage2)
      stage1 = try Stage1Configuration(cd, of: stream, features)
    }
    return try walker.translate(transaction, stream, stage1)
  }
}

extension Translation {
  /// What a mapping says that matters to the device.
  init(_ mapping: Mapping) {
    self.init(
      physicalAddress: mapping.output, sizeLog2: mapping.sizeLog2,
      permissions: mapping.permissions)
  }
}

extension Mapping {
  /// The mapping of an address that is not translated: everything is allowed, and every address is
  /// mapped in the same way.
  init(bypassing address: UInt64) {
    self.init(
      output: address, intermediate: address, sizeLog2: 64, stage1SizeLog2: 64, permissions: .all,
      stage1Permissions: .all, level: 0, granule: .size4K)
  }
}

extension TableWalker {
  /// Translates a transaction with a decoded configuration.
  ///
  /// - Parameters:
  ///   - transaction: the transaction.
  ///   - stream: what its stream table entry says.
  ///   - stage1: what its context descriptor says; nil if stage 1 does not translate or is skipped.
  mutating func translate(
    _ transaction: DeviceTransaction, _ stream: StreamConfiguration, _ stage1: Stage1Configuration?
  ) throws(TranslationFault) -> Mapping {
    // With split-stage ATS a Translation Request is answered with the output of stage 1.
    let isSplit = transaction.kind == .translationRequest && stream.eats == 2
    let stage2 = isSplit ? nil : stream.stage2
    if let stage1 {
      return try translate(
        Stage1Walk(stage1: stage1, stage2: stage2, tablesStage2: stream.stage2, transaction))
    }
    // Without a translation by stage 1, it is still an error if the address has more bits than
    // there are.
    let width = stream.stage2 == nil ? features.oas : features.ias
    if transaction.address & ~UInt64.ones(width) != 0 { throw TranslationFault(.addrSize) }
    guard let stage2 else { return Mapping(bypassing: transaction.address) }
    let purpose = Purpose(
      faultClass: .input, need: transaction.need, isWrite: transaction.isWrite)
    return try translate(intermediate: transaction.address, stage2, purpose)
  }

  /// Handles a translated transaction. It goes on as it is, unless CR0.ATSCHK is set. Then the
  /// stream's entry must allow ATS (section 3.9), and with split-stage ATS the address is an
  /// intermediate one, which stage 2 translates.
  mutating func translated(
    _ transaction: DeviceTransaction, _ stream: StreamConfiguration,
    _ registers: TranslationRegisters
  ) throws(TranslationFault) -> Mapping {
    if registers.checksATS {
      if stream.eats == 0 { throw TranslationFault(.translForbidden) }
      if stream.eats == 2, let stage2 = stream.stage2 {
        let purpose = Purpose(
          faultClass: .input, need: transaction.need, isWrite: transaction.isWrite)
        return try translate(intermediate: transaction.address, stage2, purpose)
      }
    }
    if transaction.address & ~UInt64.ones(features.oas) != 0 {
      throw TranslationFault(.addrSize)
    }
    return Mapping(bypassing: transaction.address)
  }
}
