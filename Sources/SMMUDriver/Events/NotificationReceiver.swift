// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Receives what the SMMU tells: it runs the driver's interrupt handlers, and passes on answers
/// that are for devices.
final class NotificationReceiver: Sendable {
  private let hardware: Hardware
  private let events: EventQueueReader
  private let stalls: StalledAccesses
  private let pageRequests: UInt64

  init(
    _ hardware: Hardware, _ events: EventQueueReader, _ stalls: StalledAccesses,
    at pageRequests: UInt64
  ) {
    self.hardware = hardware
    self.events = events
    self.stalls = stalls
    self.pageRequests = pageRequests
  }

  func receive(_ notification: SMMUNotification) {
    switch notification {
    case .interrupt(let interrupt), .message(let interrupt, _, _): handle(interrupt)
    case .stallAnswered(let answer): stalls.finish(answer)
    case .pageResponse(let response):
      hardware.log(
        .pageResponse(
          stream: response.streamID, group: UInt32(response.group), "\(response.code)"))
    case .wakeEvent: break
    }
  }

  private func handle(_ interrupt: SMMUNotification.Interrupt) {
    switch interrupt {
    case .eventQueue: events.drain()
    case .pageRequestQueue: denyPageRequests()
    case .globalError:
      hardware.log(.globalError(hardware.read(.gerror) ^ hardware.read(.gerrorn)))
    case .commandSync: break
    }
  }

  /// Denies all page requests in the PRI queue, because Linux does not use it. Only the last
  /// request of each group is answered (`arm_smmu_handle_ppr`).
  private func denyPageRequests() {
    let mask = (UInt64(1) << (QueueMemory.priLog2 + 1)) - 1
    var cons = hardware.read(.priqCons)
    while (hardware.read(.priqProd) ^ cons) & mask != 0 {
      let words = hardware.read(2, at: pageRequests + (cons & (mask >> 1)) * 16)
      let request = PRIRequest(words: (words[0], words[1]))
      cons = cons & ~mask | (cons + 1) & mask
      hardware.write(.priqCons, cons)
      if request.isLast {
        _ = hardware.smmu.execute(
          .priResp(request.streamID, request.substreamID, group: request.group, response: 0))
      }
    }
  }
}
