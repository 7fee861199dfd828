// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// The link from a stream to the vIOMMU of the guest that has the device (`struct
/// arm_smmu_vmaster`). It exists while the device is attached to a nested domain, whose pins keep
/// the vIOMMU alive.
struct VMaster: Sendable {
  let viommu: String
  let events: VIOMMUEvents
  /// The virtual ID of the vdev: the stream ID that the guest knows the device by.
  let virtualID: UInt64
}

/// Where the page faults of a stream's stalled transactions are reported.
struct FaultRoute: Sendable {
  let fifo: FaultFIFO
  /// The PASID of the attachment; 0 stands for the RID.
  let pasid: UInt32
}

/// What the driver knows of a stream: its entry, and who is told of its events and page faults.
struct Stream: Sendable {
  let device: String
  let deviceID: UInt32
  var entry: StreamTableEntry
  var vmaster: VMaster?
  /// The routes of page faults by PASID; that of the RID is under 0.
  var faultRoutes: [UInt32: FaultRoute] = [:]
}

/// The driver's own table of streams and their vmasters, behind **the lock**.
///
/// An attach takes the lock for writing at the moment in which it changes what the driver knows of
/// a stream: the entry and the vmaster change together. The event handler takes it for reading,
/// from the look-up of the stream until the event is in the vIOMMU's event queue. So an event goes
/// either to the old vIOMMU or to the new one, and never to one that is gone. Nothing behind the
/// entry needs a lock, because pins keep all of it alive.
final class StreamTable: Sendable {
  private let streams = ReaderWriterLocked<[UInt32: Stream]>([:])

  /// Replaces what is known of all streams of a device at one moment; nil removes them.
  func set(_ stream: Stream?, for ids: [UInt32]) {
    streams.withWriteLock { streams in
      for id in ids { streams[id] = stream }
    }
  }

  /// Removes the vmaster of each of these streams, and leaves everything else of them as it is.
  func withoutVMaster(_ ids: [UInt32]) {
    streams.withWriteLock { streams in
      for id in ids { streams[id]?.vmaster = nil }
    }
  }

  /// The stream IDs of a device, in ascending order.
  func streams(of device: String) -> [UInt32] {
    streams.withReadLock { $0.filter { $0.value.device == device }.keys.sorted() }
  }

  /// Calls `body` with a stream, which cannot change meanwhile; nil if the stream is not known.
  func withStream<Result>(_ id: UInt32, _ body: (Stream?) -> Result) -> Result {
    streams.withReadLock { body($0[id]) }
  }
}
