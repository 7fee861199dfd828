// SPDX-License-Identifier: Apache-2.0

/// A translation, before one address is singled out of it: a leaf of stage 1, of stage 2, or of
/// both together.
struct Mapping: Sendable, Equatable {
  /// What the address became.
  var output: UInt64
  /// What stage 1 made of it.
  var intermediate: UInt64
  /// The logarithm of the bytes that are mapped alike: the lesser of both stages' leaves.
  var sizeLog2: Int
  /// The logarithm of stage 1's leaf.
  var stage1SizeLog2: Int
  var permissions: Permissions
  /// What stage 1 alone allows.
  var stage1Permissions: Permissions
  /// Where the leaf is, and in tables of which granule; of stage 1 if there is one.
  var level: Int
  var granule: Granule
  /// nG is clear: all address spaces share it.
  var isGlobal = false
  /// A page that may be written, but only after its descriptor says that it was.
  var isClean = false
  /// Stage 2's attributes say device memory.
  var isDeviceMemory = false
}

/// Walks translation tables in memory. Never longer than there are levels, whatever they say.
struct TableWalker {
  let memory: PhysicalMemory
  let features: SMMUv3Features
  /// Where stage 2's translations are kept; nil for a walk that knows no cache.
  let tlb: TLB?
  /// Whether access flags and dirty states are written, as for a device's transaction.
  let updatesTables: Bool
  /// The oldest count of table writes at which a cached piece that was used agreed with memory.
  var agreedAt = UInt64.max
  /// How deep the last walk of either stage has come: the level of what ended it.
  var stage1Level = 0
  var stage2Level = 0
  /// What was read.
  var pages = TablePages()
  /// What the walk of stage 2 has read that is under way.
  var stage2Pages = TablePages()

  /// What a walk is for.
  struct Purpose {
    var faultClass: TranslationFault.Class
    var need: Permissions
    var isWrite: Bool
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

  mutating func read(_ address: UInt64) throws(ExternalAbort) -> UInt64 {
    try memory.readTable(address, &pages)
  }

  mutating func readStage2(_ address: UInt64) throws(ExternalAbort) -> UInt64 {
    memory.note(try memory.offset(of: address, 8), in: &stage2Pages)
    return try memory.readTable(address, &pages)
  }

  enum Update {
    /// There is nothing to write, or it was written.
    case done
    /// Somebody else has changed the descriptor meanwhile.
    case changed
  }

  /// How often a walk starts again because its descriptor was changed under it. Afterwards the
  /// transaction goes on without an update: whoever keeps writing has no use for one.
  static let retries = 16

  func replace(_ address: UInt64, _ old: UInt64, _ new: UInt64) throws(ExternalAbort) -> Update {
    if old == new || !updatesTables { return .done }
    return try memory.compareExchange(address, expected: old, desired: new) ? .done : .changed
  }
}
