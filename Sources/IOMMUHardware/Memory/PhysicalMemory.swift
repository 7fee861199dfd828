// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The memory of a host: what its processors, its devices and its SMMU's table walks read and
/// write.
///
/// Pages come to be when they are first written; what was never written reads as zero and costs
/// nothing. Any number of threads may read and write at once. Words that are aligned to their
/// size are read and written in one piece, and a word that is written makes what its writer
/// wrote before visible to its reader; longer blocks go word by word.
///
/// Memory also knows which of its pages hold tables that the SMMU has read: the first write to
/// such a page afterwards counts up `tableWrites`. A cache that has agreed with the tables at
/// some count still agrees while the count is the same, which is how a translation can be known
/// not to be stale without looking at a table.
@safe public final class PhysicalMemory: @unchecked Sendable {
  /// Bytes of a page of memory; the least that is allocated.
  public static let pageSize: UInt64 = 4096
  /// The most that a host may have, in bytes: 256 TiB.
  public static let greatestSize: UInt64 = 1 << 48

  private static let pageShift: UInt64 = 12
  /// The logarithm of what one table of the directory maps: 32 MiB.
  static let regionShift: UInt64 = 25
  private static let pagesPerRegion = 1 << 13
  /// In an entry of the directory: the SMMU has read a table here.
  private static let mark: UInt = 1

  /// The addresses that exist.
  public let range: Range<UInt64>
  private let base: UInt64
  private let size: UInt64
  private let regionCount: Int
  /// One word for each region: 0, or the address of its table of pages. A region without a table
  /// has only the mark.
  private let root: UnsafeMutablePointer<Atomic<UInt>>
  private let tableWriteCount = Atomic<UInt64>(0)
  /// The same for parts of memory, cut by a hash of the page.
  private let parts = InlineArray<64, Atomic<UInt64>> { _ in Atomic(0) }
  private let pageCount = Atomic<Int>(0)
  /// Pages that may be written to; a write to one more is an abort.
  private let pageLimit: Int

  /// - Parameters:
  ///   - base: the first address; is rounded down to a page.
  ///   - size: in bytes, at most `greatestSize`; is rounded up to a page.
  ///   - residentLimit: bytes of pages that may be written to: what the memory costs at most.
  public init(
    base: UInt64 = PhysicalMemoryMap.base, size: UInt64 = 1 << 40, residentLimit: UInt64 = .max
  ) {
    pageLimit = Int(clamping: residentLimit / PhysicalMemory.pageSize)
    let pageMask = PhysicalMemory.pageSize - 1
    self.base = base & ~pageMask
    let room = UInt64.max - self.base
    let wanted = min(size, PhysicalMemory.greatestSize, room & ~pageMask)
    self.size = (wanted &+ pageMask) & ~pageMask
    range = self.base..<self.base &+ self.size
    let region = UInt64(1) << PhysicalMemory.regionShift
    regionCount = Int((self.size &+ region &- 1) >> PhysicalMemory.regionShift)
    unsafe root = PhysicalMemory.directory(max(1, regionCount))
  }

  deinit {
    for index in 0..<regionCount {
      let entry = unsafe root[index].load(ordering: .relaxed) & ~PhysicalMemory.mark
      guard let table = unsafe PhysicalMemory.entries(at: entry) else { continue }
      for page in 0..<PhysicalMemory.pagesPerRegion {
        let entry = unsafe table[page].load(ordering: .relaxed) & ~PhysicalMemory.mark
        unsafe free(UnsafeMutableRawPointer(bitPattern: entry))
      }
      unsafe free(table)
    }
    unsafe free(root)
  }

  /// Bytes that have been allocated for what was written.
  public var residentBytes: UInt64 {
    UInt64(clamping: pageCount.load(ordering: .relaxed)) * PhysicalMemory.pageSize
  }

  /// Pages that may still be allocated.
  public var freePages: Int { max(0, pageLimit - pageCount.load(ordering: .relaxed)) }

  /// Allocates the pages of a range, so that writing to them cannot fail any more.
  ///
  /// - Throws: the first address that does not exist, or that there is no page left for.
  public func makeResident(_ address: UInt64, _ length: UInt64) throws(ExternalAbort) {
    let start = try offset(of: address, length)
    var offset = start & ~(PhysicalMemory.pageSize - 1)
    while offset < start &+ length {
      _ = try unsafe entryForWriting(offset)
      offset &+= PhysicalMemory.pageSize
    }
  }

  /// How many writes have changed pages that held tables the SMMU had read; it only grows.
  @inline(__always)
  public var tableWrites: UInt64 { tableWriteCount.load(ordering: .sequentiallyConsistent) }

  // MARK: The directory

  // `calloc` gives large blocks as pages that the kernel zeroes when they are touched.
  private static func directory(_ count: Int) -> UnsafeMutablePointer<Atomic<UInt>> {
    guard let memory = unsafe calloc(count, MemoryLayout<UInt>.stride) else {
      fatalError("out of memory")
    }
    return unsafe memory.bindMemory(to: Atomic<UInt>.self, capacity: count)
  }

  @inline(__always)
  private static func entries(at word: UInt) -> UnsafeMutablePointer<Atomic<UInt>>? {
    unsafe UnsafeMutablePointer(bitPattern: word)
  }

  /// The offset of an address that exists with `count` bytes behind it.
  @inline(__always)
  func offset(of address: UInt64, _ count: UInt64) throws(ExternalAbort) -> UInt64 {
    let offset = address &- base
    if offset >= size || address < base { throw ExternalAbort(address: address) }
    if count > size - offset { throw ExternalAbort(address: base &+ size) }
    return offset
  }

  /// The entry of a page, if its region has a table.
  @inline(__always)
  private func entry(_ offset: UInt64) -> UnsafeMutablePointer<Atomic<UInt>>? {
    let region = Int(truncatingIfNeeded: offset >> PhysicalMemory.regionShift)
    let word = unsafe root[region].load(ordering: .acquiring) & ~PhysicalMemory.mark
    guard let table = unsafe PhysicalMemory.entries(at: word) else { return nil }
    return unsafe table + PhysicalMemory.index(offset)
  }

  @inline(__always)
  private static func index(_ offset: UInt64) -> Int {
    Int(truncatingIfNeeded: offset >> pageShift) & (pagesPerRegion - 1)
  }

  /// The page of an offset, nil while nothing was written there.
  @inline(__always)
  func page(_ offset: UInt64) -> UnsafeMutableRawPointer? {
    guard let entry = unsafe entry(offset) else { return nil }
    let word = unsafe entry.pointee.load(ordering: .acquiring) & ~PhysicalMemory.mark
    return unsafe UnsafeMutableRawPointer(bitPattern: word)
  }

  func hasPage(_ offset: UInt64) -> Bool { unsafe page(offset) != nil }

  func hasRegion(_ offset: UInt64) -> Bool { unsafe entry(offset) != nil }

  /// The entry of a page that exists now, if it did not before.
  @inline(__always)
  func entryForWriting(
    _ offset: UInt64
  ) throws(ExternalAbort) -> UnsafeMutablePointer<Atomic<UInt>> {
    guard let entry = unsafe entry(offset) else {
      try requireRoom(offset)
      return unsafe addRegion(offset)
    }
    if unsafe entry.pointee.load(ordering: .acquiring) & ~PhysicalMemory.mark == 0 {
      try requireRoom(offset)
      unsafe addPage(entry)
    }
    return unsafe entry
  }

  /// Threads that ask at the same moment may each get a page; the limit is not exact.
  private func requireRoom(_ offset: UInt64) throws(ExternalAbort) {
    if pageCount.load(ordering: .relaxed) >= pageLimit {
      throw ExternalAbort(address: base &+ offset)
    }
  }

  @inline(__always)
  func page(of entry: UnsafeMutablePointer<Atomic<UInt>>) -> UnsafeMutableRawPointer {
    let word = unsafe entry.pointee.load(ordering: .acquiring) & ~PhysicalMemory.mark
    guard let page = unsafe UnsafeMutableRawPointer(bitPattern: word) else {
      preconditionFailure("a page that exists cannot go")
    }
    return unsafe page
  }

  @inline(never)
  private func addRegion(_ offset: UInt64) -> UnsafeMutablePointer<Atomic<UInt>> {
    let region = Int(truncatingIfNeeded: offset >> PhysicalMemory.regionShift)
    let table = unsafe PhysicalMemory.directory(PhysicalMemory.pagesPerRegion)
    let index = PhysicalMemory.index(offset)
    var known = unsafe root[region].load(ordering: .acquiring)
    while known & ~PhysicalMemory.mark == 0 {
      let (won, original) = unsafe root[region].compareExchange(
        expected: known, desired: UInt(bitPattern: table), ordering: .acquiringAndReleasing)
      if won {
        // The region's mark is lost: whoever has read one of its pages is to look again, and
        // marks that page.
        if known & PhysicalMemory.mark != 0 { countAllParts() }
        unsafe addPage(table + index)
        return unsafe table + index
      }
      known = original
    }
    unsafe free(table)
    // Another thread has made the table; the page may still be missing.
    guard let entry = unsafe entry(offset) else { preconditionFailure("a region cannot go") }
    if unsafe entry.pointee.load(ordering: .acquiring) & ~PhysicalMemory.mark == 0 {
      unsafe addPage(entry)
    }
    return unsafe entry
  }

  @inline(never)
  private func addPage(_ entry: UnsafeMutablePointer<Atomic<UInt>>) {
    guard let page = unsafe calloc(1, Int(PhysicalMemory.pageSize)) else {
      fatalError("out of memory")
    }
    var known = unsafe entry.pointee.load(ordering: .acquiring)
    while known & ~PhysicalMemory.mark == 0 {
      let (won, original) = unsafe entry.pointee.compareExchange(
        expected: known, desired: UInt(bitPattern: page) | known,
        ordering: .acquiringAndReleasing)
      if won {
        pageCount.wrappingAdd(1, ordering: .relaxed)
        return
      }
      known = original
    }
    unsafe free(page)
  }

  // MARK: Tables

  /// Marks the page as one that a table was read from. To be called before the read.
  @inline(__always)
  func markTable(_ offset: UInt64) {
    guard let entry = unsafe entry(offset) else { return markRegion(offset) }
    if unsafe entry.pointee.load(ordering: .relaxed) & PhysicalMemory.mark == 0 {
      unsafe entry.pointee.bitwiseOr(PhysicalMemory.mark, ordering: .sequentiallyConsistent)
    }
  }

  @inline(never)
  private func markRegion(_ offset: UInt64) {
    let region = Int(truncatingIfNeeded: offset >> PhysicalMemory.regionShift)
    let (won, original) = unsafe root[region].compareExchange(
      expected: 0, desired: PhysicalMemory.mark, ordering: .sequentiallyConsistent)
    if !won, original & ~PhysicalMemory.mark != 0 { markTable(offset) }
  }

  /// Counts a write to a page that a table was read from. To be called after the write.
  @inline(__always)
  func noteWrite(_ entry: UnsafeMutablePointer<Atomic<UInt>>, _ offset: UInt64) {
    // Between the write and the look at the mark: else the table's reader could miss the write
    // while the writer misses the mark.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if unsafe entry.pointee.load(ordering: .relaxed) & PhysicalMemory.mark != 0 {
      unsafe noteTableWrite(entry, offset)
    }
  }

  @inline(never)
  private func noteTableWrite(
    _ entry: UnsafeMutablePointer<Atomic<UInt>>, _ offset: UInt64
  ) {
    let old = unsafe entry.pointee.bitwiseAnd(
      ~PhysicalMemory.mark, ordering: .sequentiallyConsistent
    ).oldValue
    if old & PhysicalMemory.mark != 0 {
      // The part before the whole: who sees the whole move finds the part that did.
      parts[TablePages.part(of: offset)].wrappingAdd(1, ordering: .sequentiallyConsistent)
      tableWriteCount.wrappingAdd(1, ordering: .sequentiallyConsistent)
    }
  }

  private func countAllParts() {
    for part in 0..<64 { parts[part].wrappingAdd(1, ordering: .sequentiallyConsistent) }
    tableWriteCount.wrappingAdd(1, ordering: .sequentiallyConsistent)
  }

  // MARK: Parts

  /// Notes that the page of an offset is about to be read.
  @inline(__always)
  func note(_ offset: UInt64, in pages: inout TablePages) {
    let part = TablePages.part(of: offset)
    if pages.parts.bit(part) { return }
    pages.parts |= 1 << UInt64(part)
    pages.count &+= parts[part].load(ordering: .sequentiallyConsistent)
  }

  /// Adds pages to others, if no table in them was written since they were read.
  ///
  /// - Returns: whether that is so.
  func add(_ added: TablePages, to pages: inout TablePages) -> Bool {
    var all: UInt64 = 0
    var new: UInt64 = 0
    var rest = added.parts
    while rest != 0 {
      let part = rest.trailingZeroBitCount
      rest &= rest &- 1
      let count = parts[part].load(ordering: .sequentiallyConsistent)
      all &+= count
      if !pages.parts.bit(part) { new &+= count }
    }
    if all != added.count { return false }
    pages.parts |= added.parts
    pages.count &+= new
    return true
  }

  /// Whether no table in the pages was written since they were read.
  func isCurrent(_ pages: TablePages) -> Bool {
    var none = TablePages()
    return add(pages, to: &none)
  }
}
