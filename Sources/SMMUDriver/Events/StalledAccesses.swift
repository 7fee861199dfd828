// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// Accesses of devices that wait for the answer to a fault, by the tag that a RESUME names.
///
/// The answer may come before the device has heard that its access waits: the event is out by
/// then, and who handles it need not ask anybody.
final class StalledAccesses: Sendable {
  private struct Waiting {
    let port: Port
    /// nil for what is not made again.
    let request: DMARequest?
  }

  private struct State {
    var waiting: [UInt32: Waiting] = [:]
    /// Answers to what is not waiting yet.
    var early: [UInt32: StallAnswer.Outcome] = [:]
  }

  private let hardware: Hardware
  private let state = Locked(State())

  init(_ hardware: Hardware) { self.hardware = hardware }

  /// Has an access wait.
  ///
  /// - Parameter request: what is made again at a retry; nil for nothing.
  /// - Returns: the answer, if it has come already: the access does not wait then.
  func add(_ request: DMARequest?, of port: Port, stag: UInt32) -> StallAnswer.Outcome? {
    state.withLock { state in
      if let answer = state.early.removeValue(forKey: stag) { return answer }
      state.waiting[stag] = Waiting(port: port, request: request)
      return nil
    }
  }

  /// An access goes on: it is made again, or is at its end.
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
