// SPDX-License-Identifier: Apache-2.0

/// A machine whose memory its processors and its devices share.
public protocol MemoryMachine: AnyObject, Sendable {
  /// The memory of the machine.
  var physicalMemory: PhysicalMemory { get }
}
