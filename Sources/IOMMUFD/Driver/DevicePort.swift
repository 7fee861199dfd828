// SPDX-License-Identifier: Apache-2.0

/// One access of a device to memory.
public struct DMARequest: Sendable, Equatable, Codable {
  /// What a device does to memory.
  public enum Access: String, Sendable, CaseIterable, Codable {
    /// The device reads, or it writes.
    case read, write
    /// The device reads and then writes back, so it needs both permissions.
    case atomic
  }

  /// The address of the first byte, as the device sends it.
  public var iova: UInt64
  /// Whether the device reads, writes, or does both.
  public var access: Access
  /// The number of bytes, at least 1.
  public var length: Int
  /// The bytes that are written, `length` of them; nil stands for zeros.
  public var data: [UInt8]?
  /// The PASID of the access; nil if it has none.
  public var pasid: UInt32?
  /// Whether the device says that the access is privileged, as it can in a PASID prefix.
  public var isPrivileged: Bool
  /// Whether the access is an instruction fetch, which is a kind of read.
  public var isInstruction: Bool
  /// Whether the device first asks for the translation, and then sends the translated address (PCIe
  /// ATS).
  public var usesATS: Bool

  /// An access by its parts. Unless it is said otherwise it is unprivileged, is no instruction
  /// fetch, and has no PASID.
  public init(
    iova: UInt64, access: Access, length: Int, data: [UInt8]? = nil, pasid: UInt32? = nil,
    isPrivileged: Bool = false, isInstruction: Bool = false, usesATS: Bool = false
  ) {
    self.iova = iova
    self.access = access
    self.length = length
    self.data = data
    self.pasid = pasid
    self.isPrivileged = isPrivileged
    self.isInstruction = isInstruction
    self.usesATS = usesATS
  }
}

/// The result of an access.
public struct DMAResult: Sendable, Equatable {
  /// How an access ended.
  public enum Outcome: String, Sendable, CaseIterable {
    /// All bytes were read or written.
    case done
    /// The access was aborted, and the device sees that.
    case aborted
    /// The access was ended without an abort: its reads gave zero and its writes had no effect.
    case zero
    /// The access waits until the page fault that it has caused is answered.
    case stalled
    /// The SMMU answered the device's ATS Translation Request with Unsupported Request.
    case unsupportedRequest = "unsupported_request"
  }

  /// How the first byte was translated.
  public struct Translation: Sendable, Equatable {
    /// The physical address of the first byte.
    public var physical: UInt64
    /// The logarithm of the number of bytes around it that are translated in the same way; 64 if
    /// nothing is translated.
    public var sizeLog2: Int
    /// What is allowed there: three letters `rwx` for privileged accesses and three for
    /// unprivileged ones, with `-` for what is not allowed.
    public var permissions: String

    /// A translation by its parts.
    public init(physical: UInt64, sizeLog2: Int, permissions: String) {
      self.physical = physical
      self.sizeLog2 = sizeLog2
      self.permissions = permissions
    }
  }

  /// A cache's answer that the tables in memory no longer give.
  public struct Stale: Sendable, Hashable {
    /// The cache that gave the answer: `tlb`, `ste`, `cd` or `atc`.
    public var cache: String
    /// When the cache and the tables last agreed, as a count of writes to tables.
    public var agreedAt: UInt64
    /// When they were first seen to differ, as a count of writes to tables.
    public var seenAt: UInt64
    /// The two words of a command that would have dropped the answer from the cache.
    public var missing: [UInt64]

    /// A finding by its parts.
    public init(cache: String, agreedAt: UInt64, seenAt: UInt64, missing: [UInt64]) {
      self.cache = cache
      self.agreedAt = agreedAt
      self.seenAt = seenAt
      self.missing = missing
    }
  }

  /// How the access ended.
  public var outcome: Outcome
  /// How many bytes were read or written before the access ended.
  public var count = 0
  /// The bytes that were read, `length` of them; those that could not be read are zero. It is empty
  /// for a write.
  public var data: [UInt8] = []
  /// How the first byte was translated; nil if it was not.
  public var translation: Translation?
  /// The event record that says why the access was not done; nil if it was done, or there is no
  /// reason that a record could give. It has as many words as the hardware's records.
  public var record: [UInt64]?
  /// Whether `record` is recorded in the event queue too.
  public var isRecorded = false
  /// The tag (STAG) by which a stalled access is resumed; nil for any other.
  public var stag: UInt32?
  /// The first physical address of the access that does not exist; nil if all exist.
  public var externalAbort: UInt64?
  /// The first answer of a cache that the access used although the tables no longer give it; nil if
  /// there was none.
  public var stale: Stale?

  /// A result of which only the outcome is known yet.
  public init(_ outcome: Outcome) { self.outcome = outcome }
}

/// A device's way to memory through the hardware. It may be used on any thread.
public protocol DevicePort: AnyObject, Sendable {
  /// Makes an access, and returns when it is done or stalled.
  func perform(_ request: DMARequest) -> DMAResult

  /// Makes the accesses of a traffic generator one after the other.
  ///
  /// - Returns: how many of them ended in which way.
  func run(_ batch: TrafficBatch) -> TrafficCounts
}

/// The accesses that a traffic generator makes in one go.
public struct TrafficBatch: Sendable {
  /// The addresses, of which bit 0 is no part: 1 there makes the access a write, 0 a read.
  public var addresses: [UInt64]
  /// The number of bytes of each access.
  public var length: Int
  /// The PASIDs, which the accesses use in turn; nil stands for none. There must be at least one
  /// element.
  public var pasids: [UInt32?]

  /// A batch by its parts.
  public init(addresses: [UInt64], length: Int, pasids: [UInt32?]) {
    self.addresses = addresses
    self.length = length
    self.pasids = pasids
  }
}

/// How many accesses of traffic ended in which way.
public struct TrafficCounts: Sendable, Equatable {
  /// Accesses that were done.
  public var done: UInt64 = 0
  /// Accesses that were aborted, or whose reads gave zero and whose writes had no effect.
  public var faulted: UInt64 = 0
  /// Accesses that were stalled.
  public var stalled: UInt64 = 0
  /// Accesses that used a stale translation. They are counted by how they ended too.
  public var stale: UInt64 = 0

  /// Counts that are all zero.
  public init() {}

  /// Adds the counts of another traffic. The sums wrap around at 2^64.
  public static func += (left: inout TrafficCounts, right: TrafficCounts) {
    left.done &+= right.done
    left.faulted &+= right.faulted
    left.stalled &+= right.stalled
    left.stale &+= right.stale
  }
}
