// SPDX-License-Identifier: Apache-2.0

/// What differs between implementations of the SMMUv3.
public struct SMMUv3Behaviour: Sendable, Equatable {
  /// What the SMMU does when an event finds the event queue full.
  public enum FullEventQueue: Sendable {
    /// It toggles OVFLG, once until software acknowledges that. The architecture says so, and Linux
    /// expects it.
    case setsOverflowFlag
    /// It signals the error EVENTQ_ABT_ERR in GERROR, as QEMU does.
    case reportsAbort
  }

  /// What the SMMU does when an event finds the event queue full.
  public var fullEventQueue = FullEventQueue.setsOverflowFlag
  /// Whether the invalidation of one address of a stage 1 block drops all translations that come
  /// from the block, even if stage 2 has divided it into smaller ones. If not, it drops only the
  /// one that contains the address.
  public var dropsWholeBlocks = false
  /// The addresses that belong to an interrupt controller and not to memory. An interrupt's message
  /// to one of them is delivered as a notification, and is not aborted.
  public var doorbells: Range<UInt64> = 0..<0

  /// The behaviour that the architecture prescribes, where it prescribes one.
  public init() {}
}
