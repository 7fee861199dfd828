// SPDX-License-Identifier: Apache-2.0

/// What a walk has found for an address: a leaf of stage 1, a leaf of stage 2, or both together.
struct Mapping: Sendable, Equatable {
  /// The output address.
  var output: UInt64
  /// What stage 1 gave: the intermediate address. Without a stage 1 it is the input of stage 2.
  var intermediate: UInt64
  /// The logarithm of the bytes around the address that are mapped in the same way: of the smaller
  /// leaf if there are two.
  var sizeLog2: Int
  /// The logarithm of the bytes of stage 1's leaf. Without a stage 1 it is stage 2's.
  var stage1SizeLog2: Int
  /// What all stages together allow.
  var permissions: Permissions
  /// What stage 1 alone allows; everything if there is no stage 1.
  var stage1Permissions: Permissions
  /// The level of the leaf: of stage 1's if there are two.
  var level: Int
  /// The granule of the tables that the leaf is in.
  var granule: Granule
  /// Whether nG is clear in stage 1's leaf: all address spaces share the translation.
  var isGlobal = false
  /// Whether the page is clean: it may be written, but its descriptor has to say so before it is.
  var isClean = false
  /// Whether stage 2's attributes say that it is device memory.
  var isDeviceMemory = false
}

/// Walks translation tables in memory. A walk makes at most one step for each level, whatever the
/// tables contain.
struct TableWalker {
  let memory: PhysicalMemory
  /// What the SMMU can do.
  let features: SMMUv3Features
  /// The TLB that stage 2's translations are looked up in and put into; nil for a walk without
  /// caches.
  let tlb: TLB?
  /// Whether access flags and dirty states are written to the tables, as for a device's
  /// transaction.
  let updatesTables: Bool
  /// When the result may have ceased to agree with the tables. Among the cached pieces that were
  /// used and whose tables have been written since, it is the oldest count of table writes at which
  /// one agreed with memory. It is the greatest number if there is no such piece.
  var agreedAt = UInt64.max
  /// The level at which the last walk of stage 1 ended.
  var stage1Level = 0
  /// The level at which the last walk of stage 2 ended.
  var stage2Level = 0
  /// The pages that tables were read from.
  var pages = TablePages()
  /// The pages that the present walk of stage 2 has read tables from. They go into the TLB with its
  /// result.
  var stage2Pages = TablePages()

  /// What a translation by stage 2 is for.
  struct Purpose {
    /// The CLASS of its faults.
    var faultClass: TranslationFault.Class
    /// What must be allowed.
    var need: Permissions
    /// Whether the page is written, so that its dirty state changes.
    var isWrite: Bool
    /// Whether a table of stage 1 is read, else one of its descriptors is updated. It counts only
    /// where `faultClass` is the table walk.
    var isTableRead = true
  }

  init(
    _ memory: PhysicalMemory, _ features: SMMUv3Features, tlb: TLB? = nil,
    updatesTables: Bool = false
  ) {
    self.memory = memory
    self.features = features
    self.tlb = tlb
    self.updatesTables = updatesTables
  }

  // MARK: Descriptors

  /// Reads a descriptor or a word of a configuration, and notes its page.
  mutating func read(_ address: UInt64) throws(ExternalAbort) -> UInt64 {
    try memory.readTable(address, &pages)
  }

  /// Reads a descriptor of stage 2, and notes its page also for the entry that the TLB will get.
  mutating func readStage2(_ address: UInt64) throws(ExternalAbort) -> UInt64 {
    memory.note(try memory.offset(of: address, 8), in: &stage2Pages)
    return try memory.readTable(address, &pages)
  }

  /// What became of an update of a descriptor.
  enum Update {
    /// Nothing was to be written, or it was written.
    case done
    /// The descriptor was changed by somebody else since it was read; the walk has to start again.
    case changed
  }

  /// How often a walk starts again because its descriptor was changed under it. After that the
  /// transaction ends with a fault of the table walk, so that a processor which keeps writing to
  /// the table cannot hold the SMMU up for ever.
  static let retries = 16

  /// Updates the flags of a descriptor, if this walk does that.
  ///
  /// - Parameters:
  ///   - address: where the descriptor is.
  ///   - old: what was read there.
  ///   - new: what it becomes.
  /// - Throws: an abort if memory does not take the write.
  func replace(_ address: UInt64, _ old: UInt64, _ new: UInt64) throws(ExternalAbort) -> Update {
    if old == new || !updatesTables { return .done }
    return try memory.compareExchange(address, expected: old, desired: new) ? .done : .changed
  }
}
