// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import Locking

/// What the driver knows of a stream while its device is in a vIOMMU.
struct MockStream: Sendable {
  let viommu: String
  let events: VIOMMUEvents
  let virtualID: UInt64
}

/// The streams that are in a vIOMMU. The lock is held from the look-up of a stream until the event
/// is in the vIOMMU's event queue, so that the event cannot go to a vIOMMU that is gone. The SMMU's
/// driver does the same.
final class MockStreamTable: Sendable {
  private let streams = ReaderWriterLocked<[UInt32: MockStream]>([:])

  /// Replaces what is known of all streams of a device at one moment; nil removes them.
  func set(_ stream: MockStream?, for ids: [UInt32]) {
    streams.withWriteLock { streams in
      for id in ids { streams[id] = stream }
    }
  }

  func withStream<Result>(_ id: UInt32, _ body: (MockStream?) -> Result) -> Result {
    streams.withReadLock { body($0[id]) }
  }
}

/// Handles the events of devices as the self-test triggers them. An event says nothing except which
/// stream it comes from.
struct MockEventHandler: HardwareEventHandler {
  let smmu: String
  let streams: MockStreamTable
  let machine: any Machine

  var wordCount: Int { 1 }

  func record(_ words: [UInt64], from stream: UInt32) -> [UInt64] { [UInt64(stream)] }

  func handle(_ words: [UInt64]) -> EventDisposition {
    let (disposition, fifo) = route(UInt32(truncatingIfNeeded: words.first ?? 0))
    fifo?.wakeReader()
    if case .logged(let errno) = disposition {
      machine.logHardwareEvent(UnclaimedEvent(smmu: smmu, words: words, errno: errno))
    }
    return disposition
  }

  /// Puts an event into the event queue of the stream's vIOMMU (`iommufd_test_trigger_vevent`). The
  /// self-test takes a virtual ID of 0 for none, so a device with that ID has no events.
  private func route(_ stream: UInt32) -> (EventDisposition, VEventFIFO?) {
    streams.withStream(stream) { stream in
      guard let stream, stream.virtualID != 0 else { return (.logged(.ENOENT), nil) }
      let data = VEventData([stream.virtualID & 0xffff_ffff], byteCount: 4)
      guard let fifo = stream.events.report(.selftest, data) else {
        return (.logged(.EOPNOTSUPP), nil)
      }
      return (.forwarded(viommu: stream.viommu, virtualID: stream.virtualID), fifo)
    }
  }
}
