// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Locking

/// One page fault of a device (`struct iommu_hwpt_pgfault` without its cookie).
public struct PageFault: Sendable, Equatable, Codable {
  public var device: String
  /// The device's object ID, which is what the kernel's record has.
  public var deviceID: UInt32
  /// nil for a request without a PASID.
  public var pasid: UInt32?
  /// The page request group, 9 bits; all of a group are answered at once.
  public var group: UInt32
  public var address: UInt64
  public var isRead: Bool
  public var isWrite: Bool
  public var isExecute: Bool
  public var isPrivileged: Bool
  public var isLast: Bool

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

/// The faults of one page request group, with the cookie that a response names.
public struct FaultGroup: Sendable, Equatable {
  public var faults: [PageFault]
  /// Given when the group is read.
  public var cookie: UInt32?
  /// The attachment that the group came through.
  public var attachedPASID: UInt32
  /// The stream whose stalled transaction waits under the group's number; nil for page requests.
  public var stalledStream: UInt32?

  /// Bytes of a record (`struct iommu_hwpt_pgfault`).
  public static let recordBytes = 40

  public init(faults: [PageFault], attachedPASID: UInt32, stalledStream: UInt32? = nil) {
    self.faults = faults
    self.attachedPASID = attachedPASID
    self.stalledStream = stalledStream
  }

  public var byteCount: Int { faults.count * FaultGroup.recordBytes }
}

/// The queue behind a fault queue (`struct iommufd_fault`): unbounded, consumed by reading, and
/// what was read waits for an answer.
public final class FaultFIFO: Sendable {
  private struct State {
    var unread: Deque<FaultGroup> = []
    var unanswered: [UInt32: FaultGroup] = [:]
    var cookies = LowestFreeAllocator(1...0x7fff_ffff)
    var isClosed = false
  }

  public struct Status: Sendable, Equatable {
    public var pending: Int
    public var unanswered: Int
    public var isClosed: Bool
  }

  private let state = Locked(State())
  private let reader = EventReader()

  public init() {}

  public func report(_ group: FaultGroup) { state.withLock { $0.unread.append(group) } }

  /// Reads as from the event file (`iommufd_fault_fops_read`): whole groups, never waiting.
  ///
  /// - Parameter count: the size of the reader's buffer in bytes.
  /// - Throws: `ESPIPE` for a count that is no multiple of a record, `EINVAL` when the first
  ///   group does not fit.
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

  /// Whether a group waits for an answer under a cookie.
  func isWaiting(_ cookie: UInt32) -> Bool { state.withLock { $0.unanswered[cookie] != nil } }

  /// Lets the group go that a response answers.
  func answer(_ cookie: UInt32) -> FaultGroup? {
    state.withLock { state in
      let group = state.unanswered.removeValue(forKey: cookie)
      if group != nil { state.cookies.free(cookie) }
      return group
    }
  }

  /// Drops what came through an attachment that ends: the device gets `INVALID` for all of it.
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

  public var status: Status {
    state.withLock { state in
      Status(
        pending: state.unread.count, unanswered: state.unanswered.count, isClosed: state.isClosed)
    }
  }

  /// Whether a read would return something: `POLLIN`.
  public var isReadable: Bool { state.withLock { !$0.unread.isEmpty } }

  func close() {
    state.withLock { state in
      state.isClosed = true
      state.unread.removeAll()
      state.unanswered.removeAll()
    }
    wakeReader()
  }

  /// Sets what is called when there is something to read: whoever follows the queue.
  public func setReader(_ wake: (@Sendable () -> Void)?) { reader.set(wake) }

  /// Tells the one who follows the queue that there is something to read. It is called with no
  /// lock held.
  public func wakeReader() { reader.wake() }
}
