// SPDX-License-Identifier: Apache-2.0

/// A cache's answer that the tables in memory no longer give: somebody has changed a table and
/// not (or not yet) told the SMMU.
///
/// Times are counts of writes to pages that tables were read from (`PhysicalMemory.tableWrites`).
public struct StaleTranslation: Sendable, Equatable {
  /// Which cache gave the answer.
  public enum Cache: Sendable, Equatable {
    case streamTableEntry
    case contextDescriptor
    case tlb
    /// The device's own.
    case atc
  }

  /// Which cache gave the answer.
  public var cache: Cache
  /// At this count cache and tables last agreed. The change came after it.
  public var agreedAt: UInt64
  /// At this count the first use of the stale answer was seen.
  public var seenAt: UInt64
  /// What would have dropped the answer.
  public var missing: Command
}
