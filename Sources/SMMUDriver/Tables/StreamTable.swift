// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// The link from a stream to the vIOMMU whose guest owns it (`struct arm_smmu_vmaster`): it
/// stands while a nested domain is attached, and the pins of that domain keep the vIOMMU alive.
struct VMaster: Sendable {
  let viommu: String
  let events: VIOMMUEvents
  /// What the guest calls the stream.
  let virtualID: UInt64
}

/// Where the page faults of a stream's stalled transactions go.
struct FaultRoute: Sendable {
  let fifo: FaultFIFO
  /// The PASID of the attachment; 0 is the RID.
  let pasid: UInt32
}

/// A stream: its entry, and what the driver knows of the one who owns it.
struct Stream: Sendable {
  let device: String
  let deviceID: UInt32
  var entry: StreamTableEntry
  var vmaster: VMaster?
  /// By PASID, and for the RID under 0.
  var faultRoutes: [UInt32: FaultRoute] = [:]
}

/// The stream table and the vmasters, under **the lock**.
///
/// An attach, which changes the vIOMMU of an entry, takes it alone, for the moment in which the
/// entry and its vmaster change together. The asynchronous work that goes from an entry to a
/// vIOMMU takes it shared, from the look-up until the event is in its queue. So an event lands
/// with the old vIOMMU or with the new one, never with one that is gone. Nothing else needs a
/// lock: the pins keep everything behind the entry alive.
final class StreamTable: Sendable {
  private let streams = ReaderWriterLocked<[UInt32: Stream]>([:])

  /// Sets or, with nil, removes the streams of a device, all in one moment.
  func set(_ stream: Stream?, for ids: [UInt32]) {
    streams.withWriteLock { streams in
      for id in ids { streams[id] = stream }
    }
  }

  /// Takes streams out of their vIOMMU; the rest of them stays as it is.
  func withoutVMaster(_ ids: [UInt32]) {
    streams.withWriteLock { streams in
      for id in ids { streams[id]?.vmaster = nil }
    }
  }

  /// The streams of a device, ascending.
  func streams(of device: String) -> [UInt32] {
    streams.withReadLock { $0.filter { $0.value.device == device }.keys.sorted() }
  }

  /// Does something with a stream while it cannot change.
  func withStream<Result>(_ id: UInt32, _ body: (Stream?) -> Result) -> Result {
    streams.withReadLock { body($0[id]) }
  }
}
