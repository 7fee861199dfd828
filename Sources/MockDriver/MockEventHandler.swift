// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import Locking

/// A device's stream while it is in a vIOMMU.
struct MockStream: Sendable {
  let viommu: String
  let events: VIOMMUEvents
  let virtualID: UInt64
}

/// Which streams are in which vIOMMU, under a lock that is held from the look-up until the event
/// is in its queue, as the SMMU's driver holds its own.
final class MockStreamTable: Sendable {
  private let streams = ReaderWriterLocked<[UInt32: MockStream]>([:])

  /// Sets or, with nil, removes the streams of a device, all in one moment.
  func set(_ stream: MockStream?, for ids: [UInt32]) {
    streams.withWriteLock { streams in
      for id in ids { streams[id] = stream }
    }
  }

  func withStream<Result>(_ id: UInt32, _ body: (MockStream?) -> Result) -> Result {
    streams.withReadLock { body($0[id]) }
  }
}

/// An event of a device, as the self-test triggers it: it says nothing but whose it is.
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

  /// `iommufd_test_trigger_vevent`; a virtual ID of 0 is none to the self-test.
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
