// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// The event queue's handler (`arm_smmu_handle_event`): stream ID → entry → vmaster → vIOMMU →
/// event queue, and out with the virtual ID.
struct EventHandler: HardwareEventHandler {
  let smmu: String
  let streams: StreamTable
  let machine: any Machine
  /// Has a stalled transaction that nobody takes as a page fault aborted.
  let abortStall: @Sendable (EventRecord) -> Void

  var wordCount: Int { EventRecord.wordCount }

  func record(_ words: [UInt64], from stream: UInt32) -> [UInt64] {
    var record = EventRecord(words: words)
    record.streamID = stream
    return record.words
  }

  /// The events that are a guest's own doing and so its to know; all others are the host's.
  static let guestEvents: Set<EventRecord.ID> = [
    .badSTE, .streamDisabled, .badSubstreamID, .badCD, .translation, .addrSize, .access,
    .permission,
  ]

  private enum Outcome {
    case forwarded(VEventFIFO, viommu: String, virtualID: UInt64)
    case faulted(FaultFIFO)
    /// A stall that nobody takes.
    case unanswered
    case logged(Errno)
  }

  func handle(_ words: [UInt64]) -> EventDisposition {
    let record = EventRecord(words: words)
    switch route(record) {
    case .forwarded(let fifo, let viommu, let virtualID):
      fifo.wakeReader()
      return .forwarded(viommu: viommu, virtualID: virtualID)
    case .faulted(let fifo):
      fifo.wakeReader()
      return .faulted
    case .unanswered:
      // `iommu_report_device_fault` answers what it cannot report: the device would wait for ever.
      abortStall(record)
      return log(words, .EINVAL)
    case .logged(let errno):
      return log(words, errno)
    }
  }

  private func log(_ words: [UInt64], _ errno: Errno) -> EventDisposition {
    machine.logHardwareEvent(UnclaimedEvent(smmu: smmu, words: words, errno: errno))
    return .logged(errno)
  }

  private func route(_ record: EventRecord) -> Outcome {
    guard EventHandler.guestEvents.contains(record.id) else { return .logged(.EOPNOTSUPP) }
    // The stream cannot change until the event is in its queue.
    return streams.withStream(record.streamID) { stream in
      guard let stream else { return .logged(.EINVAL) }
      if record.isStalled { return reportStall(record, of: stream) }
      guard let vmaster = stream.vmaster, !record.isStage2 else { return .logged(.EOPNOTSUPP) }
      return forward(record, to: vmaster)
    }
  }

  private func forward(_ record: EventRecord, to vmaster: VMaster) -> Outcome {
    var record = record
    record.streamID = UInt32(truncatingIfNeeded: vmaster.virtualID)
    guard let fifo = vmaster.events.report(.armSMMUv3, VEventData(record.words)) else {
      return .logged(.EOPNOTSUPP)
    }
    return .forwarded(fifo, viommu: vmaster.viommu, virtualID: vmaster.virtualID)
  }

  /// A stalled transaction is a page fault, whichever stage it met; the guest answers it.
  private func reportStall(_ record: EventRecord, of stream: Stream) -> Outcome {
    let pasid = record.hasSubstream ? record.substreamID : 0
    guard let route = stream.faultRoutes[pasid] ?? ridRoute(of: stream) else {
      return .unanswered
    }
    let fault = PageFault(
      device: stream.device, deviceID: stream.deviceID,
      pasid: record.hasSubstream ? record.substreamID : nil, group: record.stag,
      address: record.address, isRead: record.isRead, isWrite: !record.isRead,
      isExecute: record.isInstruction, isPrivileged: record.isPrivileged, isLast: true)
    route.fifo.report(
      FaultGroup(
        faults: [fault], attachedPASID: route.pasid, stalledStream: record.streamID))
    return .faulted(route.fifo)
  }

  /// The guest of a nested domain owns the device's PASIDs, so their faults are the RID's.
  private func ridRoute(of stream: Stream) -> FaultRoute? {
    stream.entry.config == .nested ? stream.faultRoutes[0] : nil
  }
}
