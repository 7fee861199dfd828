// SPDX-License-Identifier: Apache-2.0

/// One translation, by the tables in memory and by nothing else: no cache is asked or filled, and
/// no access flag is set. What the machine's caches are held against.
public struct UncachedTranslation {
  /// Where the tables are.
  public let memory: PhysicalMemory
  /// What the SMMU can do.
  public let features: SMMUv3Features
  /// What the registers say about translation.
  public let registers: TranslationRegisters

  /// Puts together what a translation depends on.
  public init(
    memory: PhysicalMemory, features: SMMUv3Features, registers: TranslationRegisters
  ) {
    self.memory = memory
    self.features = features
    self.registers = registers
  }

  /// Translates as the stream table says.
  public func translate(_ transaction: DeviceTransaction) throws(TranslationFault) -> Translation {
    if !registers.isEnabled { return Translation(try translateWhileDisabled(transaction)) }
    var walker = TableWalker(memory, features)
    let entry = try walker.streamTableEntry(transaction.streamID, registers)
    return try translate(transaction, entry)
  }

  /// Translates with a stream table entry that need not be in memory; all other tables are.
  public func translate(
    _ transaction: DeviceTransaction, _ entry: StreamTableEntry
  ) throws(TranslationFault) -> Translation {
    let stream = try StreamConfiguration(entry, features, hasEL2Host: registers.hasEL2Host)
    var walker = TableWalker(memory, features)
    return Translation(try mapping(transaction, stream, &walker))
  }

  func translateWhileDisabled(
    _ transaction: DeviceTransaction
  ) throws(TranslationFault) -> Mapping {
    let isTooWide = transaction.address & ~UInt64.ones(features.oas) != 0
    if registers.abortsWhileDisabled || isTooWide || transaction.kind == .translationRequest {
      throw .silentAbort
    }
    return Mapping(bypassing: transaction.address)
  }

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
  init(_ mapping: Mapping) {
    self.init(
      physicalAddress: mapping.output, sizeLog2: mapping.sizeLog2,
      permissions: mapping.permissions)
  }
}

extension Mapping {
  /// What is not translated.
  init(bypassing address: UInt64) {
    self.init(
      output: address, intermediate: address, sizeLog2: 64, stage1SizeLog2: 64, permissions: .all,
      stage1Permissions: .all, level: 0, granule: .size4K)
  }
}

extension TableWalker {
  /// Translates with a decoded configuration.
  ///
  /// - Parameter stage1: nil when there is none, or when it is skipped.
  mutating func translate(
    _ transaction: DeviceTransaction, _ stream: StreamConfiguration, _ stage1: Stage1Configuration?
  ) throws(TranslationFault) -> Mapping {
    // With split-stage ATS a request is answered with what stage 1 makes of the address.
    let isSplit = transaction.kind == .translationRequest && stream.eats == 2
    let stage2 = isSplit ? nil : stream.stage2
    if let stage1 {
      return try translate(
        Stage1Walk(stage1: stage1, stage2: stage2, tablesStage2: stream.stage2, transaction))
    }
    // Stage 1 does not translate, but it still checks the width.
    let width = stream.stage2 == nil ? features.oas : features.ias
    if transaction.address & ~UInt64.ones(width) != 0 { throw TranslationFault(.addrSize) }
    guard let stage2 else { return Mapping(bypassing: transaction.address) }
    let purpose = Purpose(
      faultClass: .input, need: transaction.need, isWrite: transaction.isWrite)
    return try translate(intermediate: transaction.address, stage2, purpose)
  }

  /// A translated transaction: through, unless the stream may not have any (section 3.9).
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
