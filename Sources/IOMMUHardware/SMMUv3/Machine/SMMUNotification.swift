// SPDX-License-Identifier: Apache-2.0

/// Something that the SMMU tells the world around it: an interrupt for software, or an answer for a
/// device.
public enum SMMUNotification: Sendable, Equatable {
  /// The interrupts of the SMMU.
  public enum Interrupt: Sendable, Equatable {
    /// GERROR has a new active error.
    case globalError
    /// The event queue was empty and has a record now.
    case eventQueue
    /// The PRI queue was empty and has a request now.
    case pageRequestQueue
    /// A CMD_SYNC with CS 1 is done.
    case commandSync
  }

  /// An interrupt was raised by its wire.
  case interrupt(Interrupt)
  /// An interrupt was raised by its message, `data` at `address`. The message is in memory by now,
  /// unless the address is one of `SMMUv3Behaviour.doorbells`.
  case message(Interrupt, address: UInt64, data: UInt32)
  /// A CMD_SYNC with CS 2 is done, which wakes processors that wait for an event (SEV).
  case wakeEvent
  /// A stalled transaction was answered.
  case stallAnswered(StallAnswer)
  /// A group of page requests was answered.
  case pageResponse(PageResponse)
}

/// The receiver of an SMMU's notifications. It is called on the thread that caused them, while no
/// lock of the machine is held, so it may use the machine. What one thread causes arrives in order.
/// The SMMU keeps its sink alive, so a sink that belongs to the SMMU's owner must refer to the
/// owner weakly.
public protocol SMMUSink: Sendable {
  /// Takes a notification.
  func receive(_ notification: SMMUNotification)
}

/// The end of a stall, by a RESUME or a STALL_TERM.
public struct StallAnswer: Sendable, Equatable {
  /// What is done with the transaction that was stalled.
  public enum Outcome: Sendable, Equatable {
    /// The device sends the transaction again. It may fault, and stall, once more.
    case retry
    /// The device sees an abort.
    case abort
    /// The transaction's reads give zero and its writes have no effect.
    case zero
  }

  /// The transaction that was stalled.
  public var transaction: DeviceTransaction
  /// The tag (STAG) that it had, which is free now.
  public var stag: UInt16
  /// What is done with it.
  public var outcome: Outcome
}

/// The answer that a device gets to a group of page requests.
public struct PageResponse: Sendable, Equatable {
  /// The answer, by the values of PRI_RESP's RESP.
  public enum Code: UInt64, Sendable {
    /// The requests are denied: PCIe's Response Failure.
    case deny = 0
    /// The requests have failed: PCIe's Invalid Request.
    case failure = 1
    /// The pages are there: PCIe's Success.
    case success = 2
  }

  /// The stream ID of the device that asked.
  public var streamID: UInt32
  /// The PASID of the group; nil if it has none.
  public var substreamID: UInt32?
  /// PRGIDX: the number of the group, 9 bits.
  public var group: UInt16
  /// The answer.
  public var code: Code
  /// Whether the SMMU has answered in software's place, because its PRI queue was full or disabled
  /// or could not be written.
  public var isAutomatic: Bool
}
