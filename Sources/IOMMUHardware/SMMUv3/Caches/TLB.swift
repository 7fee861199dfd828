// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// The SMMU's translation cache, which all devices share.
///
/// It forgets only what an invalidation names, and the oldest of four entries that fall into the
/// same set. It is cut into shards with a lock each. Devices keep copies of what they use most;
/// `epoch` tells them that a copy may be of something that is gone.
///
/// Every invalidation counts an epoch before and after. Who walks tables reads the epoch first
/// and gives it to `insert`, which drops the result if it changed: so an entry that was read
/// from the tables before an invalidation can never be put in behind it.
final class TLB: Sendable {
  static let shardCount = 8
  static let setCount = 128
  static let wayCount = 4
  /// VMIDs share this many epochs.
  static let epochCount = 64

  private struct Shard {
    /// Empty until the first entry comes.
    var entries: [TLBEntry?] = []
    /// The way that is replaced next, for each set.
    var next: [UInt8] = []
    var count = 0
  }

  private let shards = LockedTable(count: TLB.shardCount) { Shard() }
  /// For each epoch: its count, and how many entries there are of its VMIDs, with those that are
  /// about to be put in. An invalidation that finds none has nothing to look for.
  ///
  /// Each is alone in a line of the processor's cache, so that guests do not wait for each other.
  private let epochs = InlineArray<512, Atomic<UInt64>> { _ in Atomic(0) }
  /// The sizes that entries have had, by their logarithms.
  private let sizes = Atomic<UInt64>(0)
  /// Whether an entry was ever smaller than the leaf of stage 1 that it comes from.
  private let hasSplinters = Atomic<Bool>(false)
  private let dropsWholeBlocks: Bool

  /// - Parameter dropsWholeBlocks: whether an invalidation of one address of stage 1 takes all
  ///   entries that come from its leaf, though stage 2 cut it into smaller ones.
  init(dropsWholeBlocks: Bool) {
    self.dropsWholeBlocks = dropsWholeBlocks
  }

  // MARK: Epochs

  /// Words of a line of the processor's cache.
  private static let stride = 8

  @inline(__always)
  private static func epochIndex(_ vmid: UInt16) -> Int {
    (Int(vmid) & (epochCount - 1)) * stride
  }

  @inline(__always)
  func epoch(_ vmid: UInt16) -> UInt64 {
    epochs[TLB.epochIndex(vmid)].load(ordering: .sequentiallyConsistent)
  }

  /// Has nobody put in what was read from the tables before, and makes copies void.
  @inline(__always)
  func countEpoch(ofVMID vmid: UInt16) {
    epochs[TLB.epochIndex(vmid)].wrappingAdd(1, ordering: .sequentiallyConsistent)
  }

  private func countEpoch(_ vmid: UInt16?) {
    if let vmid { return countEpoch(ofVMID: vmid) }
    for index in 0..<TLB.epochCount {
      epochs[index * TLB.stride].wrappingAdd(1, ordering: .sequentiallyConsistent)
    }
  }

  /// Makes every device's copies void, when the registers that govern all streams change.
  func countAllEpochs() { countEpoch(nil) }

  // MARK: Occupancy

  private func countIn(_ vmid: UInt16) {
    epochs[TLB.epochIndex(vmid) + 1].wrappingAdd(1, ordering: .sequentiallyConsistent)
  }

  private func countOut(_ vmid: UInt16) {
    epochs[TLB.epochIndex(vmid) + 1].wrappingSubtract(1, ordering: .sequentiallyConsistent)
  }

  /// Whether there is nothing of a VMID.
  @inline(__always)
  func isEmpty(_ vmid: UInt16) -> Bool {
    epochs[TLB.epochIndex(vmid) + 1].load(ordering: .sequentiallyConsistent) == 0
  }

  // MARK: Look-up

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

  /// The entry that an address of a stage 1 finds. All addresses are sign-extended from bit 55.
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

  /// The entry that an intermediate address finds.
  func entry(stage2 address: UInt64, vmid: UInt16) -> TLBEntry? {
    entry(address, .stage2, vmid: vmid, asid: 0)
  }

  private static func ways(of set: Int, in shard: Shard) -> Range<Int> {
    shard.entries.isEmpty ? 0..<0 : set * wayCount..<(set + 1) * wayCount
  }

  // MARK: Change

  /// Keeps a translation, unless something was invalidated since `epoch` was read.
  func insert(_ entry: TLBEntry, epoch: UInt64) {
    let size = UInt64(1) << UInt64(entry.sizeLog2 & 63)
    if sizes.load(ordering: .relaxed) & size == 0 { sizes.bitwiseOr(size, ordering: .relaxed) }
    if entry.stage1SizeLog2 > entry.sizeLog2 { hasSplinters.store(true, ordering: .relaxed) }
    let (shard, set) = TLB.place(entry.base, entry.vmid, entry.regime)
    shards.withLock(at: shard) { shard in
      // Counted before the epoch is read, as an invalidation counts its epoch before it reads
      // this: one of the two sees the other.
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

  /// Notes what was found out about an entry, if it is still there: one that was dropped meanwhile
  /// must not come back.
  func replace(_ old: TLBEntry, with new: TLBEntry) {
    let (shard, set) = TLB.place(old.base, old.vmid, old.regime)
    shards.withLock(at: shard) { shard in
      for index in TLB.ways(of: set, in: shard) where shard.entries[index] == old {
        shard.entries[index] = new
      }
    }
  }

  private static func isSame(_ old: TLBEntry?, _ new: TLBEntry) -> Bool {
    guard let old else { return false }
    return old.base == new.base && old.sizeLog2 == new.sizeLog2 && old.vmid == new.vmid
      && old.regime == new.regime && old.asid == new.asid
  }

  private static func victim(_ set: Int, _ shard: inout Shard) -> Int {
    let way = Int(shard.next[set]) & (wayCount - 1)
    shard.next[set] = UInt8(truncatingIfNeeded: way + 1)
    return set * wayCount + way
  }

  /// Forgets what an invalidation names.
  func drop(_ invalidation: TLBInvalidation) {
    countEpoch(invalidation.vmid)
    dropEntries(invalidation)
    countEpoch(invalidation.vmid)
  }

  /// Forgets the entries that an invalidation names, within one whose epoch is counted: after it
  /// was asked for and before this, and once more when the last of its entries are gone.
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

  private func dropAll(_ invalidation: TLBInvalidation, _ shard: inout Shard) {
    if shard.count == 0 { return }
    for index in shard.entries.indices { drop(index, invalidation, &shard) }
  }

  @inline(__always)
  private func drop(_ index: Int, _ invalidation: TLBInvalidation, _ shard: inout Shard) {
    guard let entry = shard.entries[index], invalidation.names(entry) else { return }
    shard.entries[index] = nil
    shard.count -= 1
    countOut(entry.vmid)
  }

  /// A look at every entry costs less than this many look-ups.
  private static let probeLimit: UInt64 = 256

  /// The sizes to look for, unless it is quicker to look at everything.
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

  /// How many entries there are of a VMID.
  func entries(ofVMID vmid: UInt16) -> Int {
    (0..<TLB.shardCount).reduce(0) { sum, shard in
      sum + shards.withLock(at: shard) { shard in shard.entries.count { $0?.vmid == vmid } }
    }
  }
}
