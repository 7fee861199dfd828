// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// A device's way to memory through the SMMU. All its accesses have its first stream ID.
final class Port: DevicePort {
  let device: String
  private let hardware: Hardware
  let end: StreamPort
  private let stalls: StalledAccesses
  /// The stale translations that traffic has used and that have been logged.
  private let notedStale = Locked(Set<DMAResult.Stale>())

  init(_ device: String, _ end: StreamPort, _ hardware: Hardware, _ stalls: StalledAccesses) {
    self.device = device
    self.end = end
    self.hardware = hardware
    self.stalls = stalls
  }

  var stream: UInt32 { end.streamID }

  func setATS(enabled: Bool) { end.setATS(enabled: enabled) }

  // MARK: One access

  func perform(_ request: DMARequest) -> DMAResult {
    let transaction = DeviceTransaction(
      streamID: stream, substreamID: request.pasid, address: request.iova,
      isWrite: request.access != .read, isPrivileged: request.isPrivileged,
      isInstruction: request.isInstruction)
    if request.usesATS { return performByATS(transaction, request) }
    return carryOut(transaction, request)
  }

  /// Makes one access. An atomic access is made of a read and a write.
  func carryOut(
    _ transaction: DeviceTransaction, _ request: DMARequest
  ) -> DMAResult {
    // The read comes first, so that an atomic access needs the permission to read as well.
    if request.access == .atomic {
      var read = transaction
      read.isWrite = false
      let result = access(read, request, isWrite: false)
      if result.outcome != .done { return result }
      var written = access(transaction, request, isWrite: true)
      written.data = result.data
      return written
    }
    return access(transaction, request, isWrite: request.access == .write)
  }

  private func access(
    _ transaction: DeviceTransaction, _ request: DMARequest, isWrite: Bool
  ) -> DMAResult {
    var data = Array(repeating: UInt8(0), count: isWrite ? 0 : request.length)
    let answer =
      isWrite
      ? end.write(transaction, request.data ?? Array(repeating: 0, count: request.length))
      : end.read(transaction, into: &data)
    var result = DMAResult(.done)
    switch answer.outcome {
    case .done: break
    case .aborted: result.outcome = .aborted
    case .zero: result.outcome = .zero
    case .stalled(let stag):
      result.outcome = .stalled
      result.stag = UInt32(stag)
      switch stalls.add(request, of: self, stag: UInt32(stag)) {
      case nil: break
      case .abort: result.outcome = .aborted
      case .zero: result.outcome = .zero
      case .retry: return access(transaction, request, isWrite: isWrite)
      }
    }
    result.count = answer.count
    result.data = data
    result.translation = answer.translation.map(Port.translation)
    result.externalAbort = answer.externalAbort
    result.stale = answer.stale.map(Port.stale)
    if let fault = answer.fault {
      // The access may have faulted at a page behind the first one.
      var part = transaction
      part.address &+= UInt64(answer.count)
      let record = EventRecord(fault, of: part, stag: result.stag.map { UInt16($0) })
      result.record = record.words
      result.isRecorded = fault.isRecorded
    }
    note(result.stale, at: request.iova)
    return result
  }

  func note(_ stale: DMAResult.Stale?, at iova: UInt64) {
    guard let stale else { return }
    hardware.log(.staleTranslation(device: device, iova: iova, stale))
  }

  private static func translation(_ translation: Translation) -> DMAResult.Translation {
    DMAResult.Translation(
      physical: translation.physicalAddress, sizeLog2: translation.sizeLog2,
      permissions: translation.permissions.text)
  }

  static func stale(_ stale: StaleTranslation) -> DMAResult.Stale {
    let cache =
      switch stale.cache {
      case .streamTableEntry: "ste"
      case .contextDescriptor: "cd"
      case .tlb: "tlb"
      case .atc: "atc"
      }
    return DMAResult.Stale(
      cache: cache, agreedAt: stale.agreedAt, seenAt: stale.seenAt,
      missing: stale.missing.words)
  }

  // MARK: Traffic

  func run(_ batch: TrafficBatch) -> TrafficCounts {
    var counts = TrafficCounts()
    var buffer = Array(repeating: UInt8(0), count: batch.length)
    for (position, word) in batch.addresses.enumerated() {
      let transaction = DeviceTransaction(
        streamID: stream, substreamID: batch.pasids[position % batch.pasids.count],
        address: word & ~1, isWrite: word & 1 != 0)
      let answer =
        transaction.isWrite ? end.write(transaction, buffer) : end.read(transaction, into: &buffer)
      switch answer.outcome {
      case .done: counts.done &+= 1
      case .aborted, .zero: counts.faulted &+= 1
      case .stalled(let stag):
        counts.stalled &+= 1
        // Traffic goes on without an answer, so the access is not made again when the answer comes.
        _ = stalls.add(nil, of: self, stag: UInt32(stag))
      }
      if let stale = answer.stale {
        counts.stale &+= 1
        noteOnce(Port.stale(stale), at: transaction.address)
      }
    }
    return counts
  }

  /// How many stale translations are remembered as logged. If there are more, all are forgotten and
  /// may be logged again, so that they take no more memory.
  private static let notedLimit = 256

  /// Logs a stale translation the first time that traffic uses it. Traffic may use it thousands of
  /// times a second.
  private func noteOnce(_ stale: DMAResult.Stale, at iova: UInt64) {
    let isNew = notedStale.withLock { noted in
      if noted.count == Port.notedLimit { noted.removeAll(keepingCapacity: true) }
      return noted.insert(stale).inserted
    }
    if isNew { note(stale, at: iova) }
  }
}

extension Permissions {
  /// Three letters `rwx` for privileged accesses and three for unprivileged ones, with `-` for what
  /// is not allowed.
  var text: String {
    let letters: [(Permissions, String)] = [
      (.privilegedRead, "r"), (.privilegedWrite, "w"), (.privilegedExecute, "x"),
      (.read, "r"), (.write, "w"), (.execute, "x"),
    ]
    return letters.map { contains($0.0) ? $0.1 : "-" }.joined()
  }
}
