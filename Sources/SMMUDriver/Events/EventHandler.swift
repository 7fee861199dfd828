// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Handles the records of the event queue (`arm_smmu_handle_event`). It looks up the stream of a
/// record, then the stream's vmaster, and puts the record into the event queue of the vmaster's
/// vIOMMU, with the virtual ID in place of the stream ID.
struct EventHandler: HardwareEventHandler {
  let smmu: String
  let streams: StreamTable
  let machine: any Machine
  /// Aborts a stalled transaction that cannot be reported as a page fault.
  let abortStall: @Sendable (EventRecord) -> Void

  var wordCount: Int { EventRecord.wordCount }

  func record(_ words: [UInt64], from stream: UInt32) -> [UInt64] {
    var record = EventRecord(words: words)
    record.streamID = stream
    return record.words
  }

  /// The events that a guest causes by its own tables and so has to be told of. All others are the
  /// host's.
  static let guestEvents: Set<EventRecord.ID> = [
    .badSTE, .streamDisabled, .badSubstreamID, .badCD, .translation, .addrSize, .access,
    .permission,
  ]

  private enum Outcome {
    case forwarded(VEventFIFO, viommu: String, virtualID: UInt64)
    case faulted(FaultFIFO)
    /// A transaction is stalled, and nobody is there to answer its fault.
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
      // `iommu_report_device_fault` answers a fault that it cannot report, because the device would
      // otherwise wait for ever. So does this.
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
    // The stream cannot change until the event is in the vIOMMU's event queue.
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

  /// Reports the fault of a stalled transaction to a fault queue, whichever stage has found it,
  /// because user space has to answer it.
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

  /// The route of a fault at a PASID that the host has not attached itself. With a nested domain
  /// the guest has the table of context descriptors, and only the RID is attached. So the faults of
  /// all PASIDs go where those of the RID go.
  private func ridRoute(of stream: Stream) -> FaultRoute? {
    stream.entry.config == .nested ? stream.faultRoutes[0] : nil
  }
}
