// SPDX-License-Identifier: Apache-2.0

/// What implementations of the SMMUv3 do differently.
public struct SMMUv3Behaviour: Sendable, Equatable {
  /// What a full event queue does to an event.
  public enum FullEventQueue: Sendable {
    /// OVFLG is toggled once until software acknowledges it: the architecture, and what Linux
    /// expects.
    case setsOverflowFlag
    /// GERROR.EVTQ_ABT_ERR becomes active: QEMU.
    case reportsAbort
  }

  /// What a full event queue does to an event.
  public var fullEventQueue = FullEventQueue.setsOverflowFlag
  /// Whether an invalidation of one address of a stage 1 block takes all translations that come
  /// from the block, though stage 2 cut them smaller. Else it takes the one of that address.
  public var dropsWholeBlocks = false
  /// Addresses of message interrupts that are no memory but an interrupt controller's: a write
  /// there is delivered as a notification and aborts nothing.
  public var doorbells: Range<UInt64> = 0..<0

  /// What the architecture says, where it says something.
  public init() {}
}
