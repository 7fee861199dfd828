// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// The SMMU's translation cache, which all devices share.
///
/// An entry is dropped if an invalidation selects it, or to make room: the four entries of a full
/// set are replaced in turn. The TLB is divided into shards, each of which has a lock. Devices'
/// ports keep copies of the translations that they use most; `epoch` tells them that a copy may be
/// of something that was dropped.
///
/// Every invalidation counts an epoch up before and after it. A walk reads the epoch before it
/// reads the tables, and hands it to `insert`, which drops the result if the epoch has changed. So
/// an entry that was read from the tables before an invalidation can never be put in after it.
final class TLB: Sendable {
  /// The number of shards.
  static let shardCount = 8
  /// The number of sets of a shard.
  static let setCount = 128
  /// The number of entries of a set.
  static let wayCount = 4
  /// The number of epochs. A VMID's epoch is that of its lowest bits, so some VMIDs share one.
  static let epochCount = 64

  /// A part of the TLB behind a lock of its own.
  private struct Shard {
    /// The entries, set by set. The array is empty until the first entry comes.
    var entries: [TLBEntry?] = []
    /// For each set, the entry that is replaced next.
    var next: [UInt8] = []
    /// How many entries there are.
    var count = 0
  }

  private let shards = LockedTable(count: TLB.shardCount) { Shard() }
  /// Two words for each epoch: its count, and the number of entries of its VMIDs, including those
  /// that are about to be put in. If there are no entries, an invalidation has nothing to do.
  ///
  /// Each epoch has a cache line of the processor to itself, so that guests do not slow each other
  /// down.
  private let epochs = InlineArray<512, Atomic<UInt64>> { _ in Atomic(0) }
  /// The sizes that entries have had so far: bit n stands for 2^n bytes. A look-up tries only
  /// these.
  private let sizes = Atomic<UInt64>(0)
  /// Whether there has ever been an entry that was smaller than its leaf of stage 1, because stage
  /// 2 divided it.
  private let hasSplinters = Atomic<Bool>(false)
  private let dropsWholeBlocks: Bool

  /// An empty TLB.
  ///
  /// - Parameter dropsWholeBlocks: whether the invalidation of one address of stage 1 drops all
  ///   entries that come from the same leaf, even if stage 2 has divided it into smaller ones.
  init(dropsWholeBlocks: Bool) {
    self.dropsWholeBlocks = dropsWholeBlocks
  }

  // MARK: Epochs

  /// The number of words in a cache line of the processor.
  private static let stride = 8

  /// The index of the first word of a VMID's epoch.
  @inline(__always)
  private static func epochIndex(_ vmid: UInt16) -> Int {
    (Int(vmid) & (epochCount - 1)) * stride
  }

  /// The count of a VMID's epoch. A walk reads it before it reads the tables.
  @inline(__always)
  func epoch(_ vmid: UInt16) -> UInt64 {
    epochs[TLB.epochIndex(vmid)].load(ordering: .sequentiallyConsistent)
  }

  /// Counts a VMID's epoch up. What was read from the tables before cannot be put in any more, and
  /// copies of it are void.
  @inline(__always)
  func countEpoch(ofVMID vmid: UInt16) {
    epochs[TLB.epochIndex(vmid)].wrappingAdd(1, ordering: .sequentiallyConsistent)
  }

  /// Counts the epoch of a VMID up, or all epochs if it is nil.
  private func countEpoch(_ vmid: UInt16?) {
    if let vmid { return countEpoch(ofVMID: vmid) }
    for index in 0..<TLB.epochCount {
      epochs[index * TLB.stride].wrappingAdd(1, ordering: .sequentiallyConsistent)
    }
  }

  /// Counts all epochs up, which makes the copies of all ports void. It is called when registers
  /// change that all streams depend on.
  func countAllEpochs() { countEpoch(nil) }

  // MARK: Occupancy

  /// Counts an entry of a VMID that is put in.
  private func countIn(_ vmid: UInt16) {
    epochs[TLB.epochIndex(vmid) + 1].wrappingAdd(1, ordering: .sequentiallyConsistent)
  }

  /// Counts an entry of a VMID that is dropped.
  private func countOut(_ vmid: UInt16) {
    epochs[TLB.epochIndex(vmid) + 1].wrappingSubtract(1, ordering: .sequentiallyConsistent)
  }

  /// Whether the TLB has no entry of a VMID. The answer may be no because of another VMID with the
  /// same epoch.
  @inline(__always)
  func isEmpty(_ vmid: UInt16) -> Bool {
    epochs[TLB.epochIndex(vmid) + 1].load(ordering: .sequentiallyConsistent) == 0
  }

  // MARK: Look-up

  /// The shard and the set of an entry, by a hash of what identifies it.
  private static func place(
    _ base: UInt64, _ vmid: UInt16, _ regime: TLBEntry.Regime
  ) -> (shard: Int, set: Int) {
    let mixed = base >> 12 ^ UInt64(vmid) << 44 ^ UInt64(regime.rawValue) << 61
    let hash = (mixed &* 0x9e37_79b9_7f4a_7c15) >> 48
    return (
      Int(hash) & (shardCount - 1),
      Int(hash >> 3) & (setCount - 1)
    )
  }

  /// The entry that translates an address; nil if there is none. Addresses of stage 1 are
  /// sign-extended from bit 55.
  func entry(
    _ address: UInt64, _ regime: TLBEntry.Regime, vmid: UInt16, asid: UInt16
  ) -> TLBEntry? {
    var rest = sizes.load(ordering: .relaxed)
    while rest != 0 {
      let size = rest.trailingZeroBitCount
      rest &= rest &- 1
      let base = address & ~UInt64.ones(size)
      let (shard, set) = TLB.place(base, vmid, regime)
      let found = shards.withLock(at: shard) { shard -> TLBEntry? in
        for index in TLB.ways(of: set, in: shard) {
          if let entry = shard.entries[index], entry.base == base,
            Int(entry.sizeLog2) == size, entry.isOf(regime, vmid: vmid, asid: asid)
          {
            return entry
          }
        }
        return nil
      }
      if let found { return found }
    }
    return nil
  }

  /// The entry of stage 2 that translates an intermediate address; nil if there is none.
  func entry(stage2 address: UInt64, vmid: UInt16) -> TLBEntry? {
    entry(address, .stage2, vmid: vmid, asid: 0)
  }

  /// The indices of the entries of a set.
  private static func ways(of set: Int, in shard: Shard) -> Range<Int> {
    shard.entries.isEmpty ? 0..<0 : set * wayCount..<(set + 1) * wayCount
  }

  // MARK: Change

  /// Puts a translation in, unless something of its VMID was invalidated since `epoch` was read.
  func insert(_ entry: TLBEntry, epoch: UInt64) {
    let size = UInt64(1) << UInt64(entry.sizeLog2 & 63)
    if sizes.load(ordering: .relaxed) & size == 0 { sizes.bitwiseOr(size, ordering: .relaxed) }
    if entry.stage1SizeLog2 > entry.sizeLog2 { hasSplinters.store(true, ordering: .relaxed) }
    let (shard, set) = TLB.place(entry.base, entry.vmid, entry.regime)
    shards.withLock(at: shard) { shard in
      // The entry is counted before the epoch is read, and an invalidation counts the epoch up
      // before it reads the number of entries. So either this sees the new epoch, or the
      // invalidation sees the entry.
      countIn(entry.vmid)
      guard self.epoch(entry.vmid) == epoch else { return countOut(entry.vmid) }
      if shard.entries.isEmpty {
        shard.entries = Array(repeating: nil, count: TLB.setCount * TLB.wayCount)
        shard.next = Array(repeating: 0, count: TLB.setCount)
      }
      let ways = TLB.ways(of: set, in: shard)
      let index =
        ways.first { TLB.isSame(shard.entries[$0], entry) }
        ?? ways.first { shard.entries[$0] == nil }
        ?? TLB.victim(set, &shard)
      if let old = shard.entries[index] { countOut(old.vmid) } else { shard.count += 1 }
      shard.entries[index] = entry
    }
  }

  /// Replaces an entry by one that notes when it agreed with the tables. If the entry was dropped
  /// meanwhile, nothing is done, because it must not come back.
  func replace(_ old: TLBEntry, with new: TLBEntry) {
    let (shard, set) = TLB.place(old.base, old.vmid, old.regime)
    shards.withLock(at: shard) { shard in
      for index in TLB.ways(of: set, in: shard) where shard.entries[index] == old {
        shard.entries[index] = new
      }
    }
  }

  /// Whether a new entry translates the same addresses of the same address space as an old one.
  private static func isSame(_ old: TLBEntry?, _ new: TLBEntry) -> Bool {
    guard let old else { return false }
    return old.base == new.base && old.sizeLog2 == new.sizeLog2 && old.vmid == new.vmid
      && old.regime == new.regime && old.asid == new.asid
  }

  /// The index of the entry that makes room in a full set. The entries are chosen in turn.
  private static func victim(_ set: Int, _ shard: inout Shard) -> Int {
    let way = Int(shard.next[set]) & (wayCount - 1)
    shard.next[set] = UInt8(truncatingIfNeeded: way + 1)
    return set * wayCount + way
  }

  /// Drops the entries that an invalidation selects, and counts the epoch up before and after it.
  func drop(_ invalidation: TLBInvalidation) {
    countEpoch(invalidation.vmid)
    dropEntries(invalidation)
    countEpoch(invalidation.vmid)
  }

  /// Drops the entries that an invalidation selects, as a part of a longer one. The caller counts
  /// the epoch up before the first call, but not before it was asked to invalidate, and again after
  /// the last call.
  func dropEntries(_ invalidation: TLBInvalidation) {
    if let vmid = invalidation.vmid, isEmpty(vmid) { return }
    var invalidation = invalidation
    if dropsWholeBlocks, hasSplinters.load(ordering: .relaxed) {
      invalidation.reachesWholeBlocks = true
    }
    if let keys = probes(of: invalidation) {
      dropByAddress(invalidation, keys)
    } else {
      for shard in 0..<TLB.shardCount { shards.withLock(at: shard) { dropAll(invalidation, &$0) } }
    }
  }

  /// Drops entries of a shard by looking at each of them.
  private func dropAll(_ invalidation: TLBInvalidation, _ shard: inout Shard) {
    if shard.count == 0 { return }
    for index in shard.entries.indices { drop(index, invalidation, &shard) }
  }

  /// Drops one entry, if the invalidation selects it.
  @inline(__always)
  private func drop(_ index: Int, _ invalidation: TLBInvalidation, _ shard: inout Shard) {
    guard let entry = shard.entries[index], invalidation.names(entry) else { return }
    shard.entries[index] = nil
    shard.count -= 1
    countOut(entry.vmid)
  }

  /// The most look-ups by address that an invalidation makes. More of them would cost more than a
  /// look at every entry.
  private static let probeLimit: UInt64 = 256

  /// The sizes of entries to look up by address; nil if it is quicker to look at every entry.
  private func probes(of invalidation: TLBInvalidation) -> UInt64? {
    guard invalidation.vmid != nil, !invalidation.reachesWholeBlocks else { return nil }
    let sizes = sizes.load(ordering: .relaxed)
    var rest = sizes
    var count: UInt64 = 0
    while rest != 0 {
      let size = UInt64(rest.trailingZeroBitCount)
      rest &= rest &- 1
      let blocks = (invalidation.last >> size) &- (invalidation.first >> size)
      if blocks >= TLB.probeLimit { return nil }
      count &+= blocks &+ 1
    }
    return count <= TLB.probeLimit ? sizes : nil
  }

  /// Drops entries by looking up each address at which one of these sizes may begin.
  private func dropByAddress(_ invalidation: TLBInvalidation, _ sizes: UInt64) {
    guard let vmid = invalidation.vmid else { return }
    var rest = sizes
    while rest != 0 {
      let size = rest.trailingZeroBitCount
      rest &= rest &- 1
      var block = invalidation.first >> UInt64(size)
      let last = invalidation.last >> UInt64(size)
      while block <= last {
        let (shard, set) = TLB.place(block << UInt64(size), vmid, invalidation.regime)
        shards.withLock(at: shard) { shard in
          for index in TLB.ways(of: set, in: shard) { drop(index, invalidation, &shard) }
        }
        block &+= 1
        if block == 0 { break }
      }
    }
  }

  /// How many entries there are.
  var count: Int {
    (0..<TLB.shardCount).reduce(0) { sum, shard in sum + shards.withLock(at: shard) { $0.count } }
  }

  /// How many entries there are of a VMID, counted one by one.
  func entries(ofVMID vmid: UInt16) -> Int {
    (0..<TLB.shardCount).reduce(0) { sum, shard in
      sum + shards.withLock(at: shard) { shard in shard.entries.count { $0?.vmid == vmid } }
    }
  }
}
