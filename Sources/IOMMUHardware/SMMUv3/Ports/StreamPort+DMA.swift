// SPDX-License-Identifier: Apache-2.0
import Synchronization

extension StreamPort {
  /// Reads memory as the device does: each page of 4 KiB is translated, and what it is translated
  /// to is read.
  ///
  /// A CMD_SYNC that comes meanwhile is done only after the whole read. A device whose ATS is
  /// switched on looks in its ATC first.
  ///
  /// - Parameters:
  ///   - transaction: gives the first address. It is taken to be a read of the port's stream.
  ///   - bytes: the array that is filled; its length says how many bytes are read. From `count` of
  ///     the answer on it is left as it is.
  /// - Returns: how far the read came, and why it ended there.
  public func read(
    _ transaction: DeviceTransaction, into bytes: inout [UInt8]
  ) -> DMAAnswer {
    var transaction = transaction
    transaction.isWrite = false
    return access(transaction, bytes.count) { port, address, range throws(ExternalAbort) in
      try port.memory.read(address, into: &bytes, range)
    }
  }

  /// Writes memory as the device does, in the same way as it is read.
  ///
  /// - Parameters:
  ///   - transaction: gives the first address. It is taken to be a write of the port's stream.
  ///   - bytes: what is written.
  /// - Returns: how far the write came, and why it ended there.
  public func write(_ transaction: DeviceTransaction, _ bytes: [UInt8]) -> DMAAnswer {
    var transaction = transaction
    transaction.isWrite = true
    transaction.isInstruction = false
    return access(transaction, bytes.count) { port, address, range throws(ExternalAbort) in
      try port.memory.write(bytes, range, at: address)
    }
  }

  /// Makes one access, a page of 4 KiB at a time.
  ///
  /// - Parameter body: reads or writes a range of the bytes at a physical address.
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

  /// The physical address of one page's part of an access; nil if the access ends there, for the
  /// reason in `answer`.
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
