// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// Accesses of devices that wait for the answer to a fault, by the tag that a RESUME names.
final class StalledAccesses: Sendable {
  private struct Waiting {
    let port: Port
    let request: DMARequest
  }

  private let hardware: Hardware
  private let waiting = Locked<[UInt32: Waiting]>([:])

  init(_ hardware: Hardware) { self.hardware = hardware }

  func add(_ request: DMARequest, of port: Port, stag: UInt32) {
    waiting.withLock { $0[stag] = Waiting(port: port, request: request) }
  }

  /// The stream of a device's access that waits under a tag.
  func stream(stag: UInt32, device: String) -> UInt32? {
    waiting.withLock { waiting in
      guard let port = waiting[stag]?.port, port.device == device else { return nil }
      return port.stream
    }
  }

  /// An access goes on: it is made again, or is at its end.
  func finish(_ answer: StallAnswer) {
    let stag = UInt32(answer.stag)
    let found = waiting.withLock { $0.removeValue(forKey: stag) }
    log(answer.transaction.streamID, stag, "\(answer.outcome)")
    guard let found, answer.outcome == .retry else { return }
    let result = found.port.perform(found.request)
    log(answer.transaction.streamID, stag, "retry \(result.outcome.rawValue)")
  }

  private func log(_ stream: UInt32, _ stag: UInt32, _ outcome: String) {
    hardware.log(.stallAnswered(stream: stream, stag: stag, outcome))
  }
}
