// SPDX-License-Identifier: Apache-2.0

/// Something that the SMMU tells the world: to a handler on the processor's side, or to a device.
public enum SMMUNotification: Sendable, Equatable {
  /// The interrupts of the SMMU.
  public enum Interrupt: Sendable, Equatable {
    case globalError
    case eventQueue
    case pageRequestQueue
    case commandSync
  }

  /// The wire of an interrupt.
  case interrupt(Interrupt)
  /// A message has been written in an interrupt's stead; to memory, unless it was to a doorbell.
  case message(Interrupt, address: UInt64, data: UInt32)
  /// A CMD_SYNC with CS 2 is done: SEV.
  case wakeEvent
  /// A stalled transaction was answered.
  case stallAnswered(StallAnswer)
  /// A group of page requests was answered.
  case pageResponse(PageResponse)
}

/// Who is told. Called on the thread that caused it, with no lock of the machine held: the
/// receiver may use the machine, and is told nothing out of turn by one thread. The SMMU keeps
/// its sink alive, so a sink that belongs to the SMMU's owner refers to it weakly.
public protocol SMMUSink: Sendable {
  func receive(_ notification: SMMUNotification)
}

/// The end of a stall (RESUME, STALL_TERM).
public struct StallAnswer: Sendable, Equatable {
  /// What becomes of the transaction that waited.
  public enum Outcome: Sendable, Equatable {
    /// The device is to issue the transaction again; it may fault, and stall, anew.
    case retry
    /// The device sees an abort.
    case abort
    /// Reads give zero and writes vanish.
    case zero
  }

  /// The transaction that waited.
  public var transaction: DeviceTransaction
  /// The tag under which it waited.
  public var stag: UInt16
  /// What becomes of it.
  public var outcome: Outcome
}

/// What a device gets for the last of a group of page requests.
public struct PageResponse: Sendable, Equatable {
  /// PRI_RESP's RESP.
  public enum Code: UInt64, Sendable {
    /// PCIe's Response Failure.
    case deny = 0
    /// PCIe's Invalid Request.
    case failure = 1
    case success = 2
  }

  /// The stream of the device that asked.
  public var streamID: UInt32
  /// The PASID of the group; nil without one.
  public var substreamID: UInt32?
  /// PRGIDX, 9 bits.
  public var group: UInt16
  /// How the group was answered.
  public var code: Code
  /// The SMMU answered by itself: its queue was full or off.
  public var isAutomatic: Bool
}
