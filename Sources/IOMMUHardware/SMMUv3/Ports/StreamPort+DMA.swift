// SPDX-License-Identifier: Apache-2.0
import Synchronization

extension StreamPort {
  /// Reads memory as the device: translates page by page, and reads what is translated.
  ///
  /// The pages are read before a CMD_SYNC that comes later can be done. A device that has ATS
  /// switched on asks its ATC first.
  ///
  /// - Parameters:
  ///   - transaction: the first address; it is taken for a read.
  ///   - bytes: as many as are to be read. Those behind `count` of the answer stay as they are.
  public func read(
    _ transaction: DeviceTransaction, into bytes: inout [UInt8]
  ) -> DMAAnswer {
    var transaction = transaction
    transaction.isWrite = false
    return access(transaction, bytes.count) { port, address, range throws(ExternalAbort) in
      try port.memory.read(address, into: &bytes, range)
    }
  }

  /// Writes memory as the device.
  ///
  /// - Parameter transaction: the first address; it is taken for a write.
  public func write(_ transaction: DeviceTransaction, _ bytes: [UInt8]) -> DMAAnswer {
    var transaction = transaction
    transaction.isWrite = true
    transaction.isInstruction = false
    return access(transaction, bytes.count) { port, address, range throws(ExternalAbort) in
      try port.memory.write(bytes, range, at: address)
    }
  }

  /// One access, a page of 4 KiB at a time.
  private func access(
    _ transaction: DeviceTransaction, _ count: Int,
    _ body: (StreamPort, UInt64, Range<Int>) throws(ExternalAbort) -> Void
  ) -> DMAAnswer {
    var answer = DMAAnswer(outcome: .done, count: 0)
    var step = transaction
    gate.enter()
    while answer.count < count {
      step.address = transaction.address &+ UInt64(answer.count)
      let room = 4096 - Int(step.address & 4095)
      let end = answer.count + min(room, count - answer.count)
      guard let address = address(step, &answer) else { break }
      do { try body(self, address, answer.count..<end) } catch {
        answer.outcome = .aborted
        answer.externalAbort = error.address
        break
      }
      answer.count = end
    }
    gate.leave()
    if core.hasMail.load(ordering: .relaxed) { core.deliver() }
    return answer
  }

  /// The physical address of one step; nil ends the access.
  private func address(_ transaction: DeviceTransaction, _ answer: inout DMAAnswer) -> UInt64? {
    let isPlain = transaction.kind == .untranslated && !isATSEnabled
    if isPlain,
      let copy = copy(
        of: transaction.address, key: StreamPort.key(transaction.substreamID),
        need: transaction.need)
    {
      if answer.translation == nil {
        answer.translation = copy.translation(of: transaction.address)
      }
      return copy.output | transaction.address & 0xfff
    }
    let translation =
      isATSEnabled && transaction.kind == .untranslated
      ? translateByATC(transaction) : translateSlowly(transaction)
    if answer.stale == nil { answer.stale = translation.stale }
    switch translation.outcome {
    case .translated(let translation):
      if answer.translation == nil { answer.translation = translation }
      return translation.physicalAddress
    case .aborted(let fault): answer.outcome = .aborted; answer.fault = fault
    case .zero(let fault): answer.outcome = .zero; answer.fault = fault
    case .stalled(let stag, let fault): answer.outcome = .stalled(stag: stag); answer.fault = fault
    }
    return nil
  }
}
