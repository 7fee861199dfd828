// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD

/// Everything that can be done to a host: the one boundary between HTTP and the objects.
///
/// An operation is a value. The same operations in the same order on a fresh host give the same
/// objects, the same answers and the same log.
public enum Operation: Equatable, Sendable, Codable {
  // MARK: Objects

  /// Makes an object. It is refused when the name is taken.
  case create(Creation)
  /// Makes an object, or finds that the very same is there already. It is refused when a different
  /// one is there.
  case ensure(Creation)
  /// Destroys an object that nothing holds.
  case destroy(ObjectKey, allowMissing: Bool)
  /// Carries out the plan that frees an object, and then destroys the object. It is refused when a
  /// digest is given and the plan has another one by now.
  case cascade(ObjectKey, plan: String?, allowMissing: Bool)
  /// Attaches a device at a PASID, or moves it from where it is attached. PASID 0 stands for the
  /// device without one (`IOMMU_NO_PASID`).
  case attach(device: String, pasid: UInt32, target: AttachTarget, mode: AttachMode)
  /// Detaches a device at a PASID. Where nothing is attached, it does nothing.
  case detach(device: String, pasid: UInt32)
  /// Removes a device by surprise. It is legal in any state.
  case unplug(device: String)

  // MARK: Mappings and accesses

  /// Maps memory into an address space.
  case map(ioas: String, MapRequest)
  /// Removes the mappings in a range. It does not split any.
  case unmap(ioas: String, iova: UInt64, length: UInt64)
  /// Keeps a range of an address space free of mappings.
  case reserve(ioas: String, start: UInt64, length: UInt64)
  /// Moves an access to another address space.
  case replaceAccess(access: String, ioas: String)
  /// Pins the pages behind a range of addresses, in order to read or to write them.
  case pinPages(access: String, iova: UInt64, length: UInt64, isWritten: Bool)
  /// Ends the pin with a number.
  case unpinPages(access: String, number: UInt32)

  // MARK: Events and faults

  /// Puts an event record on the hardware's event queue, for a stream of the device.
  case raiseHardwareEvent(device: String, record: [UInt64])
  /// Has a device ask for pages, or a transaction of it stall.
  case requestPages(device: String, PageRequest)
  /// Reads up to `count` bytes of a veventq. What is read is no longer in it.
  case readVEvents(queue: String, count: Int)
  /// Reads up to `count` bytes of a fault queue. What is read waits for an answer.
  case readFaults(queue: String, count: Int)
  /// Answers faults that were read from a fault queue.
  case respondToFaults(queue: String, [FaultResponse])
  /// Answers faults by writing the bytes to the fault queue's file that a process would write.
  case writeFaultResponses(queue: String, bytes: [UInt8])
  /// Closes the open files of a veventq or a fault queue.
  case closeFiles(ObjectKey)

  // MARK: System calls

  /// Closes an iommufd. It lives on as long as event files of its queues are open.
  case closeContextFile(context: String)
  /// Makes a system call on an iommufd.
  case ioctl(context: String, IoctlRequest)
  /// Maps a window of an iommufd into user space.
  case mapMemory(context: String, MemoryMapRequest)
  /// Makes a second mapping of what one maps, as happens when a process forks.
  case forkMemoryMap(context: String, number: UInt32)
  /// Removes the mapping with a number.
  case unmapMemory(context: String, number: UInt32)

  // MARK: Hardware

  /// Writes the memory behind an address space.
  case writeMemory(ioas: String, iova: UInt64, bytes: [UInt8])
  /// Writes a register of an SMMU. The width is in bytes.
  case writeRegister(smmu: String, offset: UInt64, value: UInt64, width: Int)
  /// Writes a register of a vIOMMU's window, as a guest does that has it mapped. The width is in
  /// bytes.
  case writeWindow(viommu: String, offset: UInt64, value: UInt64, width: Int)
  /// Carries out a guest's commands, each of two words.
  case invalidate(viommu: String, commands: [[UInt64]])
  /// Puts a guest's commands into its ring and moves PROD behind them. The answer describes the
  /// first `described` of them.
  case submit(queue: String, commands: [[UInt64]], described: Int)
  /// Has a device access memory once.
  case dma(device: String, DMARequest)
  /// Has a device access memory again and again, on a thread of its own.
  case startTraffic(device: String, TrafficSettings)
  /// Ends what `startTraffic` began.
  case stopTraffic(device: String)
}

/// The answer to a group of page faults (`struct iommu_hwpt_page_response`).
public struct FaultResponse: Equatable, Sendable, Codable {
  /// The cookie that the group had when it was read.
  public var cookie: UInt32
  /// How the VMM has dealt with the fault.
  public var code: PageResponseCode

  /// Bytes of a response in the kernel's ABI.
  static let recordBytes = 8
}

/// What comes of an operation that was carried out.
public enum Outcome {
  /// The object was made.
  case created(ObjectKey)
  /// The very same object was there already.
  case unchanged(ObjectKey)
  /// The object was changed, and the answer shows it.
  case changed(ObjectKey)
  /// These objects were deleted, in this order.
  case deleted([ObjectKey])
  /// There was nothing to delete, and that was allowed.
  case missing
  /// The mapping was made.
  case mapped(Area)
  /// Mappings of so many bytes were removed.
  case unmapped(bytes: UInt64)
  /// The record was raised. Where it went is known once the transaction has committed.
  case raised(RaisedEvent)
  /// The request went to this fault queue, or to none.
  case pagesRequested(queue: String?)
  /// These events were read.
  case vevents([VEventRecord])
  /// These faults were read.
  case faults([FaultGroup])
  /// So many faults were answered.
  case responded(Int)
  /// Answers of so many bytes were taken.
  case written(bytes: Int)
  /// The system call was made, with this result.
  case called(IoctlResult)
  /// The mapping of a window has this number.
  case memoryMapped(context: String, number: UInt32)
  /// The pin has this number.
  case pinned(UInt32)
  /// So many bytes of memory were written.
  case memoryWritten(Int)
  /// So many commands of a guest were carried out.
  case invalidated(Int)
  /// The commands are in the ring. What came of them is known once the transaction has committed.
  case submitted(Submission, described: Int)
  /// The device makes its access. How that ends is known once the transaction has committed.
  case accessed(DMAOutcome)
  /// The device sends traffic.
  case trafficStarted(String)
  /// The operation was carried out, and there is nothing to say about it.
  case done
  /// The operation was refused after a part of it had been carried out. That part stands, because
  /// the kernel does not take it back either.
  case stopped(Refusal, Progress)

  /// How far an operation came before it was refused.
  public enum Progress: Sendable {
    /// Mappings of so many bytes were removed.
    case unmapped(bytes: UInt64)
    /// The call had written this by then.
    case called(IoctlResult)
    /// So many commands were carried out.
    case invalidated(Int)
  }
}

/// How an access ends. It is filled in when the transaction commits.
public final class DMAOutcome: @unchecked Sendable {
  // It is written and read under the host's lock only.
  var result: DMAResult?
}

/// Where a record goes. It is filled in when the transaction commits.
public final class RaisedEvent: @unchecked Sendable {
  // It is written and read under the host's lock only.
  var disposition: EventDisposition?
}
