// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Accesses for which the device first asks for a translation (PCIe ATS). It keeps no translation,
/// so every access asks again.
extension Port {
  private static let pageBytes = 4096

  /// Makes an access page by page: for each page a Translation Request, and then a translated
  /// transaction.
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
    // Bytes that could not be read are zero, as with accesses without ATS.
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
      // A device does not make an access that the completion does not allow.
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
  /// The permissions that a read at the same address needs.
  fileprivate var needToRead: Permissions {
    var read = self
    read.isWrite = false
    return read.need
  }
}
