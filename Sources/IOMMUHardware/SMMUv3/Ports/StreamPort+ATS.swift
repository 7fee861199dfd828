// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The completion of an ATS Translation Request, which the device gets.
public struct ATSCompletion: Sendable, Equatable {
  /// The status of a completion.
  public enum Status: Sendable, Equatable {
    /// The request was handled. It may still be that nothing is mapped.
    case success
    /// UR (Unsupported Request): the stream may not use ATS.
    case unsupportedRequest
    /// CA (Completer Abort): the stream's configuration cannot be used.
    case completerAbort
  }

  /// The status of the completion.
  public var status: Status
  /// The translation and what it allows. It is nil if nothing is allowed, which is not an error:
  /// the completion then has R and W clear.
  public var translation: Translation?
  /// An answer of a cache that was used and that the tables no longer give; nil if all agree.
  public var stale: StaleTranslation?
  /// The record that was put into the event queue; nil if there is none.
  public var record: EventRecord?
}

extension StreamPort {
  // MARK: Switches

  /// Switches the device's ATS on or off (PCIe's ATS Enable). When it is switched off, the device
  /// drops its translations.
  public func setATS(enabled: Bool) {
    alone { port in
      port.isATSEnabled = enabled
      if !enabled { port.atc.removeAll() }
    }
  }

  /// Chooses whether the device answers ATC_INVs. If it does not, the next CMD_SYNC of the queue
  /// that sent one stops with CERROR_ATC_INV_SYNC.
  public func setAnswersInvalidations(_ answers: Bool) {
    alone { $0.answersInvalidations = answers }
  }

  /// Has the device carry out an ATC_INV.
  ///
  /// - Returns: whether the device answered.
  @inline(__always)
  func invalidateATC(_ command: Command) -> Bool {
    gate.enterFirst()
    let answers = answersInvalidations
    if answers, !atc.entries.isEmpty { atc.drop(command) }
    gate.leave()
    return answers
  }

  /// How many translations the device keeps in its ATC.
  public var atcCount: Int { alone { $0.atc.entries.count } }

  // MARK: Requests

  /// Makes an ATS Translation Request (section 3.9). The answer is not put into the port's ATC; the
  /// caller does with it what it likes.
  ///
  /// - Parameter transaction: the address, the substream and the privilege. `isWrite` asks for a
  ///   translation that allows writing (NW clear).
  public func requestTranslation(_ transaction: DeviceTransaction) -> ATSCompletion {
    gate.enter()
    let completion = complete(transaction)
    gate.leave()
    if core.hasMail.load(ordering: .relaxed) { core.deliver() }
    return completion
  }

  /// Sends a page request. The answer comes to the sink as a notification. Without IDR0.PRI nothing
  /// is sent.
  ///
  /// - Parameter request: its stream ID is taken to be the port's.
  public func requestPage(_ request: PRIRequest) {
    var request = request
    request.streamID = streamID
    guard core.features.pri else { return }
    core.change { $0.record(request) }
    core.deliver()
  }

  /// Handles a Translation Request.
  private func complete(_ transaction: DeviceTransaction) -> ATSCompletion {
    var request = transaction
    request.kind = .translationRequest
    request.streamID = streamID
    guard core.features.ats else { return ATSCompletion(status: .unsupportedRequest) }
    takeRegisters()
    var use = CacheUse(now: memory.tableWrites)
    do {
      let mapping = try map(request, &use)
      return ATSCompletion(
        status: .success, translation: StreamPort.granted(mapping, request),
        stale: verify(request, use, .success(mapping)))
    } catch {
      let stale = verify(request, use, .failure(error))
      if error.id == .badATSTReq {
        let record = EventRecord(error, of: request)
        core.change { $0.record(record) }
        return ATSCompletion(status: .unsupportedRequest, stale: stale, record: record)
      }
      // A translation that faults is no error of the request: the completion says that nothing is
      // mapped.
      if error.isTranslationRelated { return ATSCompletion(status: .success, stale: stale) }
      let isDenied = error.id == .none
      return ATSCompletion(
        status: isDenied ? .unsupportedRequest : .completerAbort, stale: stale)
    }
  }

  /// The translation that a completion grants; nil if nothing is allowed. A clean page is not
  /// granted for writing, because its descriptor does not say yet that it is written. If the
  /// request was for writing, the descriptor has been changed and the page is not clean any more.
  private static func granted(_ mapping: Mapping, _ request: DeviceTransaction) -> Translation? {
    var translation = Translation(mapping)
    if mapping.isClean { translation.permissions.subtract(.anyWrite) }
    let visible: Permissions =
      request.isPrivileged
      ? [.privilegedRead, .privilegedWrite, .privilegedExecute] : [.read, .write, .execute]
    translation.permissions.formIntersection(visible)
    return translation.permissions.isEmpty ? nil : translation
  }

  // MARK: The ATC

  /// Does what a device with ATS does for an access: it looks the address up in its ATC, makes a
  /// Translation Request if it is not there, and sends a translated transaction.
  func translateByATC(_ transaction: DeviceTransaction) -> TranslationAnswer {
    var transaction = transaction
    transaction.streamID = streamID
    let key = StreamPort.key(transaction.substreamID)
    var stale: StaleTranslation?
    var index = atc.index(of: transaction.address, key: key)
    if let hit = index {
      stale = verify(hit, transaction)
      if !atc.entries[hit].permissions.isSuperset(of: transaction.need) { index = nil }
    }
    if index == nil {
      let now = memory.tableWrites
      let completion = complete(transaction)
      stale = completion.stale
      guard let translation = completion.translation else {
        return TranslationAnswer(.aborted(.silentAbort), stale: stale)
      }
      keep(translation, transaction, key, now: stale == nil ? now : 0)
      index = atc.index(of: transaction.address, key: key)
    }
    guard let index, atc.entries[index].permissions.isSuperset(of: transaction.need) else {
      return TranslationAnswer(.aborted(.silentAbort), stale: stale)
    }
    let entry = atc.entries[index]
    var translated = transaction
    translated.kind = .translated
    translated.address = entry.output | transaction.address & UInt64.ones(entry.sizeLog2)
    var answer = translateSlowly(translated)
    answer.stale = answer.stale ?? stale
    return answer
  }

  /// Puts a translation into the ATC.
  private func keep(
    _ translation: Translation, _ transaction: DeviceTransaction, _ key: UInt32, now: UInt64
  ) {
    // A bypass maps all addresses in the same way. The device keeps that page by page.
    let size = translation.sizeLog2 < 64 ? translation.sizeLog2 : 12
    let offset = UInt64.ones(size)
    atc.insert(
      ATC.Entry(
        key: key, base: transaction.address & ~offset, sizeLog2: size,
        output: translation.physicalAddress & ~offset, permissions: translation.permissions,
        agreedAt: now))
  }

  /// Compares an entry of the ATC with the tables.
  private func verify(_ index: Int, _ transaction: DeviceTransaction) -> StaleTranslation? {
    let entry = atc.entries[index]
    let now = memory.tableWrites
    if entry.agreedAt == now { return nil }
    takeRegisters()
    var request = transaction
    request.kind = .translationRequest
    request.isWrite = false
    let offset = transaction.address & UInt64.ones(entry.sizeLog2)
    if let fresh = try? mappingByTables(request), let granted = StreamPort.granted(fresh, request),
      granted.physicalAddress == entry.output | offset,
      granted.permissions.union(fresh.isClean ? .anyWrite : []).isSuperset(of: entry.permissions)
    {
      atc.update(index, agreedAt: now, staleAt: 0)
      return nil
    }
    let seenAt = entry.staleAt == 0 ? now : entry.staleAt
    atc.update(index, agreedAt: entry.agreedAt, staleAt: seenAt)
    return StaleTranslation(
      cache: .atc, agreedAt: entry.agreedAt, seenAt: seenAt,
      missing: .atcInv(
        streamID, transaction.substreamID, address: entry.base,
        sizeLog2: UInt64(max(0, entry.sizeLog2 - 12))))
  }

  /// The mapping that the tables in memory give for a request.
  private func mappingByTables(_ request: DeviceTransaction) throws(TranslationFault) -> Mapping {
    var walker = TableWalker(memory, core.features)
    let entry = try walker.streamTableEntry(streamID, registers)
    let configuration = try StreamConfiguration(
      entry, core.features, hasEL2Host: registers.hasEL2Host)
    return try uncached.mapping(request, configuration, &walker)
  }
}
