// SPDX-License-Identifier: Apache-2.0

/// A queue of the page faults of fault-capable domains (`struct iommufd_fault`).
public final class FaultQueue: EventQueue {
  /// What is in the queue, read and unread; the hardware's threads write it.
  public let fifo = FaultFIFO()
  /// The cookies that the transaction under way answers.
  var answering: Set<UInt32> = []

  init(name: String, context: Context) { super.init(.faultQueue, name, in: context) }

  override func close() { fifo.close() }
}

/// What a VMM makes of a page fault group (`enum iommufd_page_response_code`).
public enum PageResponseCode: String, Sendable, CaseIterable, Codable {
  case success, invalid

  /// The code of a number of the ABI.
  public init?(number: UInt32) {
    switch number {
    case 0: self = .success
    case 1: self = .invalid
    default: return nil
    }
  }
}
