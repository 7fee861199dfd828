// SPDX-License-Identifier: Apache-2.0

/// A machine that has memory for devices and processors to share.
public protocol MemoryMachine: AnyObject, Sendable {
  var physicalMemory: PhysicalMemory { get }
}
