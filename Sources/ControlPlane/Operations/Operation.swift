// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD

/// Everything that can be done to a host: the one boundary between HTTP and the objects.
///
/// An operation is a value. The same operations in the same order on a fresh host give the same
/// objects, the same answers and the same log.
public enum Operation: Equatable, Sendable, Codable {
  /// Makes an object; refused when the name is taken.
  case create(Creation)
  /// Makes an object, or finds that the very same is there; refused when a different one is.
  case ensure(Creation)
  /// Destroys an object that nothing holds.
  case destroy(ObjectKey, allowMissing: Bool)
  /// Carries out the plan that frees an object, then destroys it; refused when the plan's
  /// digest is no longer `plan`, if one is given.
  case cascade(ObjectKey, plan: String?, allowMissing: Bool)
  /// Attaches a device at a PASID (0: the RID), or moves it.
  case attach(device: String, pasid: UInt32, target: AttachTarget, mode: AttachMode)
  /// Detaches a device at a PASID; does nothing where nothing is attached.
  case detach(device: String, pasid: UInt32)
  /// Removes a device by surprise; legal in any state.
  case unplug(device: String)
  case map(ioas: String, MapRequest)
  /// Unmaps whole mappings.
  case unmap(ioas: String, iova: UInt64, length: UInt64)
  /// Puts a record on the hardware event queue, for a stream of the device.
  case raiseHardwareEvent(device: String, record: [UInt64])
  /// A device asks for pages, or a transaction of its stalls.
  case requestPages(device: String, PageRequest)
  /// Reads, and so consumes, up to `count` bytes of a veventq.
  case readVEvents(queue: String, count: Int)
  /// Reads up to `count` bytes of a fault queue; what is read waits for an answer.
  case readFaults(queue: String, count: Int)
  case respondToFaults(queue: String, [FaultResponse])
  /// Writes to a fault queue's file: responses as the kernel's ABI has them.
  case writeFaultResponses(queue: String, bytes: [UInt8])
  /// Closes the open files of a veventq or a fault queue.
  case closeFiles(ObjectKey)
  /// Closes an iommufd, which lives on as long as its event files are open.
  case closeContextFile(context: String)
  /// Makes a system call on an iommufd.
  case ioctl(context: String, IoctlRequest)
  /// Maps a window of an iommufd.
  case mapMemory(context: String, MemoryMapRequest)
  /// A mapping once more, as in a process that forks.
  case forkMemoryMap(context: String, number: UInt32)
  case unmapMemory(context: String, number: UInt32)
  /// Keeps a range of an address space free of mappings.
  case reserve(ioas: String, start: UInt64, length: UInt64)
  /// Moves an access to another address space.
  case replaceAccess(access: String, ioas: String)
  case pinPages(access: String, iova: UInt64, length: UInt64, isWritten: Bool)
  case unpinPages(access: String, number: UInt32)
  /// Writes the memory behind an address space.
  case writeMemory(ioas: String, iova: UInt64, bytes: [UInt8])
  /// Writes a register of an SMMU.
  case writeRegister(smmu: String, offset: UInt64, value: UInt64, width: Int)
  /// Writes a register of a vIOMMU's window, as a guest that has it mapped.
  case writeWindow(viommu: String, offset: UInt64, value: UInt64, width: Int)
  /// Carries out a guest's commands, each of two words.
  case invalidate(viommu: String, commands: [[UInt64]])
  /// Puts a guest's commands into its ring and rings the doorbell. The answer describes so many
  /// of them.
  case submit(queue: String, commands: [[UInt64]], described: Int)
  /// Has a device access memory.
  case dma(device: String, DMARequest)
  /// Has a device access memory again and again, from a thread of its own.
  case startTraffic(device: String, TrafficSettings)
  case stopTraffic(device: String)
}

/// The answer to a page fault group (`struct iommu_hwpt_page_response`).
public struct FaultResponse: Equatable, Sendable, Codable {
  /// The cookie that the group had when it was read.
  public var cookie: UInt32
  /// What the VMM made of the fault.
  public var code: PageResponseCode

  /// Bytes of a response in the kernel's ABI.
  static let recordBytes = 8
}

/// What becomes of an operation that is carried out.
public enum Outcome {
  case created(ObjectKey)
  /// It was there already, the very same.
  case unchanged(ObjectKey)
  case changed(ObjectKey)
  /// What went, in that order.
  case deleted([ObjectKey])
  /// There was nothing to delete, and that was allowed.
  case missing
  case mapped(Area)
  case unmapped(bytes: UInt64)
  /// Where a record went is known once the transaction has committed.
  case raised(RaisedEvent)
  /// The fault queue that got the request, if any handles it.
  case pagesRequested(queue: String?)
  case vevents([VEventRecord])
  case faults([FaultGroup])
  case responded(Int)
  /// Bytes of responses that were taken.
  case written(bytes: Int)
  case called(IoctlResult)
  case memoryMapped(context: String, number: UInt32)
  case pinned(UInt32)
  /// Bytes of memory that were written.
  case memoryWritten(Int)
  /// How many commands of a guest were carried out.
  case invalidated(Int)
  /// What became of commands in a ring is known once the transaction has committed.
  case submitted(Submission, described: Int)
  /// How an access ends is known once the transaction has committed.
  case accessed(DMAOutcome)
  case trafficStarted(String)
  /// Something was done, and nothing is to be said of it.
  case done
  /// It was refused after a part had been done, which stands: the kernel does not take it back.
  case stopped(Refusal, Progress)

  /// How far an operation came before it was refused.
  public enum Progress: Sendable {
    case unmapped(bytes: UInt64)
    case called(IoctlResult)
    case invalidated(Int)
  }
}

/// The end of an access, filled in at commit.
public final class DMAOutcome: @unchecked Sendable {
  // Written and read under the host's lock only.
  var result: DMAResult?
}

/// The fate of a record, filled in at commit.
public final class RaisedEvent: @unchecked Sendable {
  // Written and read under the host's lock only.
  var disposition: EventDisposition?
}
