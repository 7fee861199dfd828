// SPDX-License-Identifier: Apache-2.0

/// Takes the records of the hardware's event queue to those who have to be told of them.
public protocol HardwareEventHandler: Sendable {
  /// The number of 64-bit words of a record.
  var wordCount: Int { get }

  /// The record that the hardware would write for a stream.
  ///
  /// - Parameters:
  ///   - words: the record, whose stream ID is replaced.
  ///   - stream: the stream ID that it gets.
  func record(_ words: [UInt64], from stream: UInt32) -> [UInt64]

  /// Handles a record, and says where it went.
  func handle(_ words: [UInt64]) -> EventDisposition
}

/// Where a hardware event went.
public enum EventDisposition: Sendable, Equatable {
  /// The record went to the event queue (veventq) of a vIOMMU, with the virtual ID that the device
  /// has there.
  case forwarded(viommu: String, virtualID: UInt64)
  /// The record went to a fault queue, as the page fault of a stalled transaction.
  case faulted
  /// The record was put into the event queue in memory. No driver runs the hardware, and the
  /// software that does finds it there.
  case queued
  /// The record was only logged. The error is what the kernel's handler returns for it.
  case logged(Errno)
}
