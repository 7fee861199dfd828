// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Where a stream's transactions enter the SMMU, with what the SMMU keeps for that stream: its
/// entry, its context descriptors, copies of the translations that it used last, and the device's
/// ATC.
///
/// A port takes one transaction at a time; ports of different streams work on different threads
/// and share nothing on the path of a hit but two counters that they only read.
public final class StreamPort: @unchecked Sendable {
  /// The stream whose port it is.
  public let streamID: UInt32
  /// Its place among all ports of the SMMU, in the order in which they were made.
  let number: Int
  let core: SMMUCore
  let memory: PhysicalMemory
  let tlb: TLB
  let gate = PortGate()

  // Everything below belongs to whoever is inside the gate.

  /// Copies of the TLB's translations, a page of 4 KiB each.
  ///
  /// One, until there is something to copy: a stream that never translates costs little.
  var copies = MaskedTable(log2Count: 0, repeating: TranslationCopy())
  /// Whose epoch voids the copies.
  var vmid: UInt16 = 0
  var registers = TranslationRegisters()
  var registerGeneration: UInt64 = 0
  var stream: CachedStream?
  var contexts: [CachedContext] = []
  private var nextContext = 0
  var atc = ATC()
  var isATSEnabled = false
  var answersInvalidations = true

  static let contextLimit = 64
  /// The logarithm of the copies that a port keeps.
  static let copyLog2Count = 8

  init(_ streamID: UInt32, number: Int, _ core: SMMUCore) {
    self.streamID = streamID
    self.number = number
    self.core = core
    memory = core.memory
    tlb = core.tlb
  }

  // MARK: The path of a hit

  /// The stamp that a copy bears while nothing was invalidated and no table was written.
  @inline(__always)
  var stamp: UInt64 { tlb.epoch(vmid) &+ memory.tableWrites }

  @inline(__always)
  static func key(_ substream: UInt32?) -> UInt32 {
    guard let substream else { return 0 }
    return substream | 1 << 20
  }

  @inline(__always)
  static func slot(_ page: UInt64, _ key: UInt32) -> Int {
    Int(truncatingIfNeeded: page ^ page >> 8 ^ UInt64(key))
  }

  @inline(__always)
  func copy(of address: UInt64, key: UInt32, need: Permissions) -> TranslationCopy? {
    let page = address >> 12
    let copy = copies[StreamPort.slot(page, key)]
    guard copy.page == page, copy.key == key, copy.stamp == stamp,
      copy.permissions & need.rawValue != 0
    else { return nil }
    return copy
  }

  /// Translates, and records or stalls what cannot be translated.
  ///
  /// - Parameter transaction: its stream ID is the port's, whatever it says. A Translation
  ///   Request is made by `requestTranslation`.
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

  func dropCopies() {
    for index in 0..<copies.count { copies[index] = TranslationCopy() }
  }

  func dropContexts() {
    contexts.removeAll()
    dropCopies()
  }

  /// CFGI_STE: the entry, and the descriptors that were found through it.
  func dropConfiguration() {
    stream = nil
    dropContexts()
  }

  func dropContext(_ index: UInt32) {
    contexts.removeAll { $0.index == index }
    dropCopies()
  }

  func keep(_ context: CachedContext) {
    if contexts.count < StreamPort.contextLimit {
      contexts.append(context)
    } else {
      nextContext = (nextContext + 1) % StreamPort.contextLimit
      contexts[nextContext] = context
    }
  }

  /// Does something while no transaction of the stream is under way.
  func alone<Result>(_ body: (StreamPort) -> Result) -> Result {
    gate.enterFirst()
    defer { gate.leave() }
    return body(self)
  }
}

/// A copy of a translation of one page of 4 KiB.
struct TranslationCopy: BitwiseCopyable {
  var page = UInt64.max
  /// The physical address of the page.
  var output: UInt64 = 0
  /// Never a stamp that comes up: counters start at zero and do not get there.
  var stamp = UInt64.max
  var key: UInt32 = 0
  var permissions: UInt16 = 0
  var sizeLog2: UInt8 = 0

  init() {}

  @inline(__always)
  func translation(of address: UInt64) -> Translation {
    Translation(
      physicalAddress: output | address & 0xfff, sizeLog2: Int(sizeLog2),
      permissions: Permissions(rawValue: permissions))
  }
}

/// A stream's entry as it was read.
struct CachedStream {
  var configuration: StreamConfiguration
  var pages: TablePages
  var agreedAt: UInt64
  var staleAt: UInt64 = 0
}

/// A context descriptor as it was read.
struct CachedContext {
  var index: UInt32
  var configuration: Stage1Configuration
  var pages: TablePages
  var agreedAt: UInt64
  var staleAt: UInt64 = 0
}
