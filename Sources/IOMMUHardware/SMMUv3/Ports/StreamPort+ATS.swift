// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The completion of an ATS Translation Request.
public struct ATSCompletion: Sendable, Equatable {
  /// How a request was completed.
  public enum Status: Sendable, Equatable {
    case success
    /// UR: the stream may not use ATS.
    case unsupportedRequest
    /// CA: the stream's configuration cannot be used.
    case completerAbort
  }

  /// How the request was completed.
  public var status: Status
  /// What may be done, and where; nil if nothing may, which is not an error (R = W = 0).
  public var translation: Translation?
  /// What the caches gave that the tables no longer say.
  public var stale: StaleTranslation?
  /// What the event queue got of it.
  public var record: EventRecord?
}

extension StreamPort {
  // MARK: Switches

  /// ATS Enable of the device. Switched off, the device forgets its translations.
  public func setATS(enabled: Bool) {
    alone { port in
      port.isATSEnabled = enabled
      if !enabled { port.atc.removeAll() }
    }
  }

  /// Whether the device answers ATC_INV. One that does not makes the next CMD_SYNC fail with
  /// CERROR_ATC_INV_SYNC.
  public func setAnswersInvalidations(_ answers: Bool) {
    alone { $0.answersInvalidations = answers }
  }

  /// What an ATC_INV does.
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

  /// How many translations the device keeps.
  public var atcCount: Int { alone { $0.atc.entries.count } }

  // MARK: Requests

  /// An ATS Translation Request (section 3.9). The device does what it likes with the answer.
  ///
  /// - Parameter transaction: `isWrite` asks for leave to write too (NW clear).
  public func requestTranslation(_ transaction: DeviceTransaction) -> ATSCompletion {
    gate.enter()
    let completion = complete(transaction)
    gate.leave()
    if core.hasMail.load(ordering: .relaxed) { core.deliver() }
    return completion
  }

  /// A page request. The answer comes as a notification.
  public func requestPage(_ request: PRIRequest) {
    var request = request
    request.streamID = streamID
    guard core.features.pri else { return }
    core.change { $0.record(request) }
    core.deliver()
  }

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
      // A fault of translation is no error of the request: it says that there is nothing.
      if error.isTranslationRelated { return ATSCompletion(status: .success, stale: stale) }
      let isDenied = error.id == .none
      return ATSCompletion(
        status: isDenied ? .unsupportedRequest : .completerAbort, stale: stale)
    }
  }

  /// What a completion grants. A page whose descriptor does not yet say that it was written is
  /// not granted for writing, unless the request was for that, which has marked it.
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

  /// What a device with ATS does: its ATC, else a request; then a translated transaction.
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

  private func keep(
    _ translation: Translation, _ transaction: DeviceTransaction, _ key: UInt32, now: UInt64
  ) {
    // A bypass translates everything alike; a device keeps it by the page.
    let size = translation.sizeLog2 < 64 ? translation.sizeLog2 : 12
    let offset = UInt64.ones(size)
    atc.insert(
      ATC.Entry(
        key: key, base: transaction.address & ~offset, sizeLog2: size,
        output: translation.physicalAddress & ~offset, permissions: translation.permissions,
        agreedAt: now))
  }

  /// Holds an entry of the ATC against the tables.
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

  private func mappingByTables(_ request: DeviceTransaction) throws(TranslationFault) -> Mapping {
    var walker = TableWalker(memory, core.features)
    let entry = try walker.streamTableEntry(streamID, registers)
    let configuration = try StreamConfiguration(
      entry, core.features, hasEL2Host: registers.hasEL2Host)
    return try uncached.mapping(request, configuration, &walker)
  }
}
