// SPDX-License-Identifier: Apache-2.0

/// The way from a record of the hardware's event queue to the one who is to know of it.
public protocol HardwareEventHandler: Sendable {
  /// The length of a record in 64-bit words.
  var wordCount: Int { get }

  /// A record as the hardware writes it for a stream: the given words, with that stream's ID put
  /// into them.
  func record(_ words: [UInt64], from stream: UInt32) -> [UInt64]

  /// Handles one record and says where it went.
  func handle(_ words: [UInt64]) -> EventDisposition
}

/// Where a hardware event went.
public enum EventDisposition: Sendable, Equatable {
  /// To the veventq of a vIOMMU, under the device's virtual ID there.
  case forwarded(viommu: String, virtualID: UInt64)
  /// To a fault queue, as the page fault of a stalled transaction.
  case faulted
  /// Into the event queue in memory, where whoever runs the hardware finds it.
  case queued
  /// Only into the log; the error is what the kernel's handler returns.
  case logged(Errno)
}
