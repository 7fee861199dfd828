// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// The accesses of devices that are stalled until their faults are answered, by the tag (STAG) that
/// a RESUME names.
///
/// An answer may come before `add` is called for its access. The event is in the event queue before
/// the access returns to the device's port, and whoever reads the event may answer at once. Such an
/// answer is kept until `add` asks for it.
final class StalledAccesses: Sendable {
  private struct Waiting {
    let port: Port
    /// The access that is made again at a retry; nil if it is not.
    let request: DMARequest?
  }

  private struct State {
    var waiting: [UInt32: Waiting] = [:]
    /// The answers to accesses that `add` has not been called for yet.
    var early: [UInt32: StallAnswer.Outcome] = [:]
  }

  private let hardware: Hardware
  private let state = Locked(State())

  init(_ hardware: Hardware) { self.hardware = hardware }

  /// Keeps an access until it is answered.
  ///
  /// - Parameter request: the access that is made again at a retry; nil if it is not.
  /// - Returns: the answer if it has come already, in which case nothing is kept; otherwise nil.
  func add(_ request: DMARequest?, of port: Port, stag: UInt32) -> StallAnswer.Outcome? {
    state.withLock { state in
      if let answer = state.early.removeValue(forKey: stag) { return answer }
      state.waiting[stag] = Waiting(port: port, request: request)
      return nil
    }
  }

  /// Ends the wait of the access that an answer names. At a retry the access is made again.
  func finish(_ answer: StallAnswer) {
    let stag = UInt32(answer.stag)
    let found = state.withLock { state in
      let found = state.waiting.removeValue(forKey: stag)
      if found == nil { state.early[stag] = answer.outcome }
      return found
    }
    log(answer.transaction.streamID, stag, "\(answer.outcome)")
    guard let found, let request = found.request, answer.outcome == .retry else { return }
    let result = found.port.perform(request)
    log(answer.transaction.streamID, stag, "retry \(result.outcome.rawValue)")
  }

  private func log(_ stream: UInt32, _ stag: UInt32, _ outcome: String) {
    hardware.log(.stallAnswered(stream: stream, stag: stag, outcome))
  }
}
