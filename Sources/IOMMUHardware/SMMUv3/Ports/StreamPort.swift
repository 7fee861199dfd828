// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Where the transactions of a stream enter the SMMU, with what the SMMU keeps for that stream: its
/// stream table entry, its context descriptors, copies of the translations that it used last, and
/// the device's ATC.
///
/// A port takes one transaction at a time. Ports of different streams can be used on different
/// threads. While translations are found among the copies, they share nothing but two counters that
/// they only read.
public final class StreamPort: @unchecked Sendable {
  /// The stream ID of the stream.
  public let streamID: UInt32
  /// The port's place among all ports of the SMMU, in the order in which they were made.
  let number: Int
  let core: SMMUCore
  let memory: PhysicalMemory
  let tlb: TLB
  /// Lets one transaction or command in at a time.
  let gate = PortGate()

  // Everything below is only used inside the gate.

  /// Copies of translations from the TLB, each of a page of 4 KiB.
  ///
  /// There is room for one until there is something to copy, so that a stream which never
  /// translates costs little.
  var copies = MaskedTable(log2Count: 0, repeating: TranslationCopy())
  /// The VMID whose epoch makes the copies void.
  var vmid: UInt16 = 0
  /// The registers as they were when this port last read them.
  var registers = TranslationRegisters()
  /// The count of register changes at that time.
  var registerGeneration: UInt64 = 0
  /// The stream table entry; nil while it has not been read, or after it was dropped.
  var stream: CachedStream?
  /// The context descriptors.
  var contexts: [CachedContext] = []
  /// The index of the context descriptor that was replaced last.
  private var nextContext = 0
  /// What the device keeps of translations that it asked for.
  var atc = ATC()
  /// Whether the device uses ATS.
  var isATSEnabled = false
  /// Whether the device answers ATC_INVs.
  var answersInvalidations = true

  /// The most context descriptors that a port keeps.
  static let contextLimit = 64
  /// The logarithm of the number of copies that a port keeps.
  static let copyLog2Count = 8

  init(_ streamID: UInt32, number: Int, _ core: SMMUCore) {
    self.streamID = streamID
    self.number = number
    self.core = core
    memory = core.memory
    tlb = core.tlb
  }

  // MARK: The path of a hit

  /// The stamp of copies that are valid now. It changes with each invalidation of the VMID and with
  /// each write to a table.
  @inline(__always)
  var stamp: UInt64 { tlb.epoch(vmid) &+ memory.tableWrites }

  /// The substream ID with bit 20 set; 0 if there is none.
  @inline(__always)
  static func key(_ substream: UInt32?) -> UInt32 {
    guard let substream else { return 0 }
    return substream | 1 << 20
  }

  /// The index of the place for a page's copy. It may be too great, because the table only uses its
  /// low bits.
  @inline(__always)
  static func slot(_ page: UInt64, _ key: UInt32) -> Int {
    Int(truncatingIfNeeded: page ^ page >> 8 ^ UInt64(key))
  }

  /// The copy that translates an address, if there is one that is valid and allows the access.
  @inline(__always)
  func copy(of address: UInt64, key: UInt32, need: Permissions) -> TranslationCopy? {
    let page = address >> 12
    let copy = copies[StreamPort.slot(page, key)]
    guard copy.page == page, copy.key == key, copy.stamp == stamp,
      copy.permissions & need.rawValue != 0
    else { return nil }
    return copy
  }

  /// Translates a transaction. If it cannot go on, it is recorded in the event queue or stalled, as
  /// the tables say.
  ///
  /// - Parameter transaction: the transaction. Its stream ID is taken to be the port's. For a
  ///   Translation Request there is `requestTranslation`.
  public func translate(_ transaction: DeviceTransaction) -> TranslationAnswer {
    gate.enter()
    if transaction.kind == .untranslated,
      let copy = copy(
        of: transaction.address, key: StreamPort.key(transaction.substreamID),
        need: transaction.need)
    {
      gate.leave()
      return TranslationAnswer(.translated(copy.translation(of: transaction.address)))
    }
    let answer = translateSlowly(transaction)
    gate.leave()
    if core.hasMail.load(ordering: .relaxed) { core.deliver() }
    return answer
  }

  // MARK: Inside the gate

  /// Drops all copies.
  func dropCopies() {
    for index in 0..<copies.count { copies[index] = TranslationCopy() }
  }

  /// Drops all context descriptors, and the copies that may come from them.
  func dropContexts() {
    contexts.removeAll()
    dropCopies()
  }

  /// Drops the stream table entry and the context descriptors that were found through it, as a
  /// CFGI_STE asks for.
  func dropConfiguration() {
    stream = nil
    dropContexts()
  }

  /// Drops the context descriptor of a substream, and all copies.
  func dropContext(_ index: UInt32) {
    contexts.removeAll { $0.index == index }
    dropCopies()
  }

  /// Keeps a context descriptor, in place of another if there are too many.
  func keep(_ context: CachedContext) {
    if contexts.count < StreamPort.contextLimit {
      contexts.append(context)
    } else {
      nextContext = (nextContext + 1) % StreamPort.contextLimit
      contexts[nextContext] = context
    }
  }

  /// Calls `body` while no transaction of the stream is under way.
  func alone<Result>(_ body: (StreamPort) -> Result) -> Result {
    gate.enterFirst()
    defer { gate.leave() }
    return body(self)
  }
}

/// A copy of the translation of one page of 4 KiB.
struct TranslationCopy: BitwiseCopyable {
  /// The page's address without the lowest twelve bits; the greatest number if there is no copy.
  var page = UInt64.max
  /// The physical address of the page.
  var output: UInt64 = 0
  /// The stamp from the time at which the copy was made. The greatest number is never one, because
  /// counters start at zero and do not get there.
  var stamp = UInt64.max
  /// The substream ID with bit 20 set; 0 if there is none.
  var key: UInt32 = 0
  /// What is allowed, as `Permissions`.
  var permissions: UInt16 = 0
  /// The logarithm of the bytes that the translation is for, of which the copy has one page.
  var sizeLog2: UInt8 = 0

  init() {}

  /// The translation of an address in the page.
  @inline(__always)
  func translation(of address: UInt64) -> Translation {
    Translation(
      physicalAddress: output | address & 0xfff, sizeLog2: Int(sizeLog2),
      permissions: Permissions(rawValue: permissions))
  }
}

/// A stream table entry that a port keeps.
struct CachedStream {
  /// The entry, decoded.
  var configuration: StreamConfiguration
  /// The pages that it was read from.
  var pages: TablePages
  /// The count of table writes at which it agreed with the tables.
  var agreedAt: UInt64
  /// The count at which a use found that it no longer agrees; 0 while it does.
  var staleAt: UInt64 = 0
}

/// A context descriptor that a port keeps.
struct CachedContext {
  /// The index of the descriptor, which is the substream ID.
  var index: UInt32
  /// The descriptor, decoded.
  var configuration: Stage1Configuration
  /// The pages that it was read from.
  var pages: TablePages
  /// The count of table writes at which it agreed with the tables.
  var agreedAt: UInt64
  /// The count at which a use found that it no longer agrees; 0 while it does.
  var staleAt: UInt64 = 0
}
