// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Locking

/// One page fault of a device: a record of the fault queue's event file without the cookie, which
/// its group has (`struct iommu_hwpt_pgfault`).
public struct PageFault: Sendable, Equatable, Codable {
  /// The name of the device whose access faulted.
  public var device: String
  /// The object ID of the device, by which the kernel's record names it (`dev_id`).
  public var deviceID: UInt32
  /// The PASID of the access (`IOMMU_PGFAULT_FLAGS_PASID_VALID`); nil for one without.
  public var pasid: UInt32?
  /// The number of the page request group, 9 bits, or the tag of a stalled transaction, 16 bits
  /// (`grpid`). All faults of a group get one answer.
  public var group: UInt32
  /// The address that the device accessed.
  public var address: UInt64
  /// Whether the access reads (`IOMMU_PGFAULT_PERM_READ`).
  public var isRead: Bool
  /// Whether the access writes (`IOMMU_PGFAULT_PERM_WRITE`).
  public var isWrite: Bool
  /// Whether the access fetches instructions (`IOMMU_PGFAULT_PERM_EXEC`).
  public var isExecute: Bool
  /// Whether the access is a privileged one (`IOMMU_PGFAULT_PERM_PRIV`).
  public var isPrivileged: Bool
  /// Whether the fault is the last one of its group (`IOMMU_PGFAULT_FLAGS_LAST_PAGE`).
  public var isLast: Bool

  /// Makes a record of its fields.
  public init(
    device: String, deviceID: UInt32, pasid: UInt32?, group: UInt32, address: UInt64,
    isRead: Bool, isWrite: Bool, isExecute: Bool, isPrivileged: Bool, isLast: Bool
  ) {
    self.device = device
    self.deviceID = deviceID
    self.pasid = pasid
    self.group = group
    self.address = address
    self.isRead = isRead
    self.isWrite = isWrite
    self.isExecute = isExecute
    self.isPrivileged = isPrivileged
    self.isLast = isLast
  }
}

/// The faults of one page request group, which are read and answered together.
public struct FaultGroup: Sendable, Equatable {
  /// The faults in the order in which the device sent them.
  public var faults: [PageFault]
  /// The number by which a response names the group; nil until the group is read, because reading
  /// gives it one.
  public var cookie: UInt32?
  /// The PASID of the attachment that the faults came through; 0 for the RID. It differs from the
  /// PASID of the faults where a guest owns the PASIDs. When that attachment ends, the group is
  /// answered with `invalid`.
  public var attachedPASID: UInt32
  /// The stream ID of a stalled transaction, which waits under the group's number; nil for page
  /// requests, which are answered to the device.
  public var stalledStream: UInt32?

  /// The length in bytes of a record in the event file (`struct iommu_hwpt_pgfault`).
  public static let recordBytes = 40

  /// Makes a group that has not been read yet.
  public init(faults: [PageFault], attachedPASID: UInt32, stalledStream: UInt32? = nil) {
    self.faults = faults
    self.attachedPASID = attachedPASID
    self.stalledStream = stalledStream
  }

  /// How many bytes of a reader's buffer the group takes.
  public var byteCount: Int { faults.count * FaultGroup.recordBytes }
}

/// The groups of a fault queue (`struct iommufd_fault`). It holds any number of them; reading takes
/// them out, and what was read waits for an answer.
///
/// It has a lock of its own, because faults can be reported without the host's lock.
public final class FaultFIFO: Sendable {
  private struct State {
    var unread: Deque<FaultGroup> = []
    var unanswered: [UInt32: FaultGroup] = [:]
    var cookies = LowestFreeAllocator(1...0x7fff_ffff)
    var isClosed = false
  }

  /// What a queue holds.
  public struct Status: Sendable, Equatable {
    /// How many groups have not been read.
    public var pending: Int
    /// How many groups have been read and wait for an answer.
    public var unanswered: Int
    /// Whether the queue has ended, after which nothing can be read any more.
    public var isClosed: Bool
  }

  private let state = Locked(State())
  private let reader = EventReader()

  /// Makes an empty queue.
  public init() {}

  /// Adds a group behind those that are there. The caller then calls `wakeReader`, once it holds no
  /// lock.
  public func report(_ group: FaultGroup) { state.withLock { $0.unread.append(group) } }

  /// Reads as from the event file (`iommufd_fault_fops_read`). A group is read whole or not at all,
  /// and a read never waits: an empty queue gives an empty array.
  ///
  /// - Parameter count: the size of the reader's buffer in bytes.
  /// - Returns: the groups that fit, each with the cookie that a response has to name.
  /// - Throws: `ESPIPE` for a count that is no multiple of a record, `EINVAL` when the first group
  ///   does not fit.
  public func read(count: Int) throws(Refusal) -> [FaultGroup] {
    guard count % FaultGroup.recordBytes == 0 else {
      throw Refusal(.ESPIPE, field: "count", "not a multiple of \(FaultGroup.recordBytes)")
    }
    let result = state.withLock { state -> [FaultGroup]? in
      var room = count
      var taken: [FaultGroup] = []
      while var group = state.unread.first {
        if group.byteCount > room { return taken.isEmpty ? nil : taken }
        room -= group.byteCount
        group.cookie = state.cookies.allocate()
        if let cookie = group.cookie { state.unanswered[cookie] = group }
        taken.append(group)
        state.unread.removeFirst()
      }
      return taken
    }
    guard let result else {
      throw Refusal(.EINVAL, field: "count", "the buffer is too small for the first group")
    }
    return result
  }

  /// Whether a group has been read under a cookie and waits for an answer.
  func isWaiting(_ cookie: UInt32) -> Bool { state.withLock { $0.unanswered[cookie] != nil } }

  /// Takes out the group that a response answers, whose cookie is free again.
  ///
  /// - Returns: the group; nil when none waits under the cookie.
  func answer(_ cookie: UInt32) -> FaultGroup? {
    state.withLock { state in
      let group = state.unanswered.removeValue(forKey: cookie)
      if group != nil { state.cookies.free(cookie) }
      return group
    }
  }

  /// Takes out all groups of a device that came through an attachment which ends, whether they were
  /// read or not. The caller answers them with `invalid`.
  ///
  /// - Parameters:
  ///   - device: the object ID of the device.
  ///   - pasid: the PASID of the attachment; 0 for the RID.
  func discard(device: UInt32, pasid: UInt32) -> [FaultGroup] {
    state.withLock { state in
      let isConcerned = { (group: FaultGroup) in
        group.attachedPASID == pasid && group.faults.first?.deviceID == device
      }
      var dropped = state.unread.filter(isConcerned)
      state.unread.removeAll(where: isConcerned)
      for (cookie, group) in state.unanswered.sorted(by: { $0.key < $1.key })
      where isConcerned(group) {
        state.unanswered.removeValue(forKey: cookie)
        state.cookies.free(cookie)
        dropped.append(group)
      }
      return Array(dropped)
    }
  }

  /// What the queue holds at this moment.
  public var status: Status {
    state.withLock { state in
      Status(
        pending: state.unread.count, unanswered: state.unanswered.count, isClosed: state.isClosed)
    }
  }

  /// Whether a read would return a group, as `POLLIN` says.
  public var isReadable: Bool { state.withLock { !$0.unread.isEmpty } }

  /// Ends the queue. It forgets all groups, and whoever follows it is told.
  func close() {
    state.withLock { state in
      state.isClosed = true
      state.unread.removeAll()
      state.unanswered.removeAll()
    }
    wakeReader()
  }

  /// Sets the function that `wakeReader` calls, on behalf of the one who follows the queue; nil for
  /// nobody.
  public func setReader(_ wake: (@Sendable () -> Void)?) { reader.set(wake) }

  /// Tells the one who follows the queue that there is something new. It is called with no lock
  /// held, because what it calls may take one.
  public func wakeReader() { reader.wake() }
}
