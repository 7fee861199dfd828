// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Accesses for which the device asks for a translation itself, each time anew.
extension Port {
  private static let pageBytes = 4096

  /// An access page by page: a request for the translation, and the translated transaction.
  func performByATS(_ transaction: DeviceTransaction, _ request: DMARequest) -> DMAResult {
    var whole = DMAResult(.done)
    while whole.count < request.length {
      let address = transaction.address &+ UInt64(whole.count)
      let room = Self.pageBytes - Int(address & UInt64(Self.pageBytes - 1))
      let part = whole.count..<whole.count + min(room, request.length - whole.count)
      let result = perform(part, at: address, transaction, request)
      whole.outcome = result.outcome
      whole.count += result.count
      whole.data += result.data.prefix(result.count)
      whole.translation = whole.translation ?? result.translation
      whole.stale = whole.stale ?? result.stale
      whole.record = result.record
      whole.isRecorded = result.isRecorded
      whole.externalAbort = result.externalAbort
      if result.outcome != .done { break }
    }
    // As for other accesses, what was not read is zero.
    if request.access != .write {
      whole.data += Array(repeating: 0, count: request.length - whole.data.count)
    }
    return whole
  }

  private func perform(
    _ part: Range<Int>, at address: UInt64, _ transaction: DeviceTransaction, _ request: DMARequest
  ) -> DMAResult {
    var step = transaction
    step.address = address
    let completion = end.requestTranslation(step)
    let stale = completion.stale.map(Port.stale)
    note(stale, at: address)
    guard let translation = completion.translation,
      translation.permissions.isSuperset(of: step.need),
      request.access != .atomic || translation.permissions.isSuperset(of: step.needToRead)
    else {
      // A device does not do what the completion does not grant.
      var result = DMAResult(
        completion.status == .unsupportedRequest ? .unsupportedRequest : .aborted)
      result.stale = stale
      result.record = completion.record?.words
      result.isRecorded = completion.record != nil
      return result
    }
    step.kind = .translated
    step.address = translation.physicalAddress
    var piece = request
    piece.iova = address
    piece.length = part.count
    piece.data = request.data.map { Array($0[part]) }
    var result = carryOut(step, piece)
    result.stale = stale ?? result.stale
    return result
  }
}

extension DeviceTransaction {
  /// The permissions that reading the same needs.
  fileprivate var needToRead: Permissions {
    var read = self
    read.isWrite = false
    return read.need
  }
}
