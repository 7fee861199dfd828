// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The memory of a host, which its processors, its devices and its SMMU's table walks read and
/// write.
///
/// A page is allocated when it is first written. What was never written reads as zero and costs
/// nothing. Any number of threads may read and write at once. A word that is aligned to its size is
/// read and written in one piece, and whoever reads a word that another thread wrote also sees what
/// that thread wrote before it. Longer blocks are copied word by word.
///
/// Memory also knows which of its pages hold tables that the SMMU has read. The first write to such
/// a page afterwards counts up `tableWrites`. A cache entry that agreed with the tables when the
/// count had some value still agrees while the count has that value. So a translation can be known
/// not to be stale without a look at a table.
@safe public final class PhysicalMemory: @unchecked Sendable {
  /// Bytes of a page of memory. Memory is allocated by the page.
  public static let pageSize: UInt64 = 4096
  /// The most memory that a host may have, in bytes: 256 TiB.
  public static let greatestSize: UInt64 = 1 << 48

  private static let pageShift: UInt64 = 12
  /// The logarithm of a region's bytes. A region of 32 MiB is what one table of the directory maps.
  static let regionShift: UInt64 = 25
  private static let pagesPerRegion = 1 << 13
  /// The mark, bit 0 of an entry of the directory: the SMMU has read a table in the page (or in the
  /// region that has no table of pages yet), and it was not written since.
  private static let mark: UInt = 1

  /// The addresses that exist, from the first to the one behind the last.
  public let range: Range<UInt64>
  private let base: UInt64
  private let size: UInt64
  private let regionCount: Int
  /// One word for each region: the address of its table of pages, or 0 while nothing in the region
  /// was written. While a region has no table, its mark is in this word. Afterwards each page has a
  /// mark of its own, in its entry of the table.
  private let root: UnsafeMutablePointer<Atomic<UInt>>
  private let tableWriteCount = Atomic<UInt64>(0)
  /// How often tables were written in each of the 64 parts of memory, which `TablePages.part(of:)`
  /// tells apart.
  private let parts = InlineArray<64, Atomic<UInt64>> { _ in Atomic(0) }
  private let pageCount = Atomic<Int>(0)
  /// How many pages `promise` keeps back.
  private let promisedPages = Atomic<Int>(0)
  /// How many pages may be allocated. A write that needs one more is aborted.
  private let pageLimit: Int

  /// Memory that is all zero.
  ///
  /// - Parameters:
  ///   - base: the first address. It is rounded down to a page.
  ///   - size: in bytes. It is rounded up to a page, and limited to `greatestSize` and to what
  ///     there is room for above `base`.
  ///   - residentLimit: in bytes, how much may be allocated for what is written: the most that the
  ///     memory costs the server.
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

  /// The bytes of all pages that were allocated because something was written to them.
  public var residentBytes: UInt64 {
    UInt64(clamping: pageCount.load(ordering: .relaxed)) * PhysicalMemory.pageSize
  }

  /// Keeps pages back for tables that are decided on now and written later. Until `withdraw` gives
  /// them back, every write that needs a new page finds so many fewer.
  ///
  /// - Returns: false, and nothing is kept back, when fewer may still be allocated.
  public func promise(_ pages: Int) -> Bool {
    let before = promisedPages.wrappingAdd(pages, ordering: .relaxed).oldValue
    if pages <= pageLimit - pageCount.load(ordering: .relaxed) - before { return true }
    withdraw(pages)
    return false
  }

  /// Gives back pages that were promised.
  public func withdraw(_ pages: Int) { promisedPages.wrappingSubtract(pages, ordering: .relaxed) }

  /// Allocates the pages of a range, so that a later write to them cannot fail any more.
  ///
  /// - Parameters:
  ///   - address: the first address.
  ///   - length: in bytes.
  /// - Throws: an abort with the first address that does not exist, or that no page is left for.
  ///   Pages before it stay allocated.
  public func makeResident(_ address: UInt64, _ length: UInt64) throws(ExternalAbort) {
    let start = try offset(of: address, length)
    var offset = start & ~(PhysicalMemory.pageSize - 1)
    while offset < start &+ length {
      _ = try unsafe entryForWriting(offset)
      offset &+= PhysicalMemory.pageSize
    }
  }

  /// How often a page that held a table which the SMMU had read was written afterwards. Further
  /// writes to the page count again only after the SMMU has read it again. The count only grows.
  @inline(__always)
  public var tableWrites: UInt64 { tableWriteCount.load(ordering: .sequentiallyConsistent) }

  // MARK: The directory

  // `calloc` is used because it takes large blocks from the kernel as pages that are zeroed only
  // when they are touched: an empty directory costs almost nothing.
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

  /// The offset of an address from the beginning of memory.
  ///
  /// - Parameter count: how many bytes at the address must exist.
  /// - Throws: an abort with the first of these addresses that does not exist.
  @inline(__always)
  func offset(of address: UInt64, _ count: UInt64) throws(ExternalAbort) -> UInt64 {
    let offset = address &- base
    if offset >= size || address < base { throw ExternalAbort(address: address) }
    if count > size - offset { throw ExternalAbort(address: base &+ size) }
    return offset
  }

  /// The directory's entry for the page of an offset; nil while its region has no table.
  @inline(__always)
  private func entry(_ offset: UInt64) -> UnsafeMutablePointer<Atomic<UInt>>? {
    let region = Int(truncatingIfNeeded: offset >> PhysicalMemory.regionShift)
    let word = unsafe root[region].load(ordering: .acquiring) & ~PhysicalMemory.mark
    guard let table = unsafe PhysicalMemory.entries(at: word) else { return nil }
    return unsafe table + PhysicalMemory.index(offset)
  }

  /// The place of an offset's page in the table of its region.
  @inline(__always)
  private static func index(_ offset: UInt64) -> Int {
    Int(truncatingIfNeeded: offset >> pageShift) & (pagesPerRegion - 1)
  }

  /// The page of an offset; nil while nothing was written there.
  @inline(__always)
  func page(_ offset: UInt64) -> UnsafeMutableRawPointer? {
    guard let entry = unsafe entry(offset) else { return nil }
    let word = unsafe entry.pointee.load(ordering: .acquiring) & ~PhysicalMemory.mark
    return unsafe UnsafeMutableRawPointer(bitPattern: word)
  }

  /// Whether the page of an offset is allocated.
  func hasPage(_ offset: UInt64) -> Bool { unsafe page(offset) != nil }

  /// Whether the region of an offset has a table, so that some of its pages may be allocated.
  func hasRegion(_ offset: UInt64) -> Bool { unsafe entry(offset) != nil }

  /// The directory's entry for the page of an offset, which is allocated first if it is not there.
  ///
  /// - Throws: an abort with the page's first address if no page may be allocated any more.
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

  /// Checks that one more page may be allocated. The limit is not exact: threads that ask at the
  /// same moment may each get a page.
  private func requireRoom(_ offset: UInt64) throws(ExternalAbort) {
    let taken =
      pageCount.load(ordering: .relaxed) &+ promisedPages.load(ordering: .relaxed)
    if taken >= pageLimit {
      throw ExternalAbort(address: base &+ offset)
    }
  }

  /// The page that an entry of the directory leads to. There must be one.
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
        // The region's mark was in the word that has been replaced, and it did not say which pages
        // it was for. So a write is counted in every part of memory. Whoever has cached something
        // from a table here then looks at the table again, which marks its page.
        if known & PhysicalMemory.mark != 0 { countAllParts() }
        unsafe addPage(table + index)
        return unsafe table + index
      }
      known = original
    }
    unsafe free(table)
    // Another thread was quicker, and its table is the one that is used. The page may still be
    // missing in it.
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

  /// Marks the page of an offset as one that a table was read from. It must be called before the
  /// read, so that no write between the two is missed.
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

  /// Counts a write if a table was read from the page. It must be called after the write.
  @inline(__always)
  func noteWrite(_ entry: UnsafeMutablePointer<Atomic<UInt>>, _ offset: UInt64) {
    // The fence makes sure that the write comes before the look at the mark. Without it, the reader
    // of a table could miss the write while the writer misses the reader's mark.
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
      // The part is counted before the whole, so that whoever sees the whole count move also finds
      // the part that moved it.
      parts[TablePages.part(of: offset)].wrappingAdd(1, ordering: .sequentiallyConsistent)
      tableWriteCount.wrappingAdd(1, ordering: .sequentiallyConsistent)
    }
  }

  private func countAllParts() {
    for part in 0..<64 { parts[part].wrappingAdd(1, ordering: .sequentiallyConsistent) }
    tableWriteCount.wrappingAdd(1, ordering: .sequentiallyConsistent)
  }

  // MARK: Parts

  /// Notes that the page of an offset is about to be read: `pages` gets its part and that part's
  /// count, unless it has them.
  @inline(__always)
  func note(_ offset: UInt64, in pages: inout TablePages) {
    let part = TablePages.part(of: offset)
    if pages.parts.bit(part) { return }
    pages.parts |= 1 << UInt64(part)
    pages.count &+= parts[part].load(ordering: .sequentiallyConsistent)
  }

  /// Adds the pages of something that is cached to those that a walk has read so far, unless a
  /// table in the added pages was written since they were read.
  ///
  /// - Returns: whether the pages were added, because no table was written.
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

  /// Whether no table in the pages was written since they were read. The answer may be no because
  /// of another page in the same part of memory.
  func isCurrent(_ pages: TablePages) -> Bool {
    var none = TablePages()
    return add(pages, to: &none)
  }
}
