// SPDX-License-Identifier: Apache-2.0

/// An answer of a cache that the tables in memory no longer give: somebody has changed a table and
/// has not told the SMMU, or not yet.
///
/// Times are given as counts of writes to pages that tables were read from
/// (`PhysicalMemory.tableWrites`).
public struct StaleTranslation: Sendable, Equatable {
  /// The caches that can give a stale answer.
  public enum Cache: Sendable, Equatable {
    /// The stream table entry that the stream's port keeps.
    case streamTableEntry
    /// A context descriptor that the stream's port keeps.
    case contextDescriptor
    /// The SMMU's TLB.
    case tlb
    /// The device's own cache (ATC).
    case atc
  }

  /// Which cache gave the answer.
  public var cache: Cache
  /// The count at which the cache and the tables last agreed. The table was changed after it.
  public var agreedAt: UInt64
  /// The count at which the stale answer was used first.
  public var seenAt: UInt64
  /// A command that would have dropped the answer from its cache.
  public var missing: Command
}
