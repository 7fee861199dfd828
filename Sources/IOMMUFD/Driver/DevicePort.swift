// SPDX-License-Identifier: Apache-2.0

/// One access of a device to memory.
public struct DMARequest: Sendable, Equatable, Codable {
  /// What a device does to memory.
  public enum Access: String, Sendable, CaseIterable, Codable {
    case read, write
    /// Reads and writes back: needs both permissions.
    case atomic
  }

  /// Where it begins, as the device says.
  public var iova: UInt64
  /// What the device does there.
  public var access: Access
  /// In bytes, at least 1.
  public var length: Int
  /// What is written; as many bytes as `length`. Zeros where it is nil.
  public var data: [UInt8]?
  /// The PASID that the transaction bears; nil for one without.
  public var pasid: UInt32?
  /// Whether the device claims to be privileged (the PASID prefix's bit).
  public var isPrivileged: Bool
  /// An instruction fetch, which is a read.
  public var isInstruction: Bool
  /// Asks for a translation first, and sends the translated address (PCIe ATS).
  public var usesATS: Bool

  /// Puts an access together; it is unprivileged, reads data and has no PASID unless it is said.
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

/// What became of an access.
public struct DMAResult: Sendable, Equatable {
  /// How an access ended.
  public enum Outcome: String, Sendable, CaseIterable {
    case done
    /// The device sees an abort.
    case aborted
    /// Reads gave zero and writes vanished.
    case zero
    /// It waits for an answer to the page fault that it raised.
    case stalled
    /// An ATS translation request was refused.
    case unsupportedRequest = "unsupported_request"
  }

  /// How the first byte was translated.
  public struct Translation: Sendable, Equatable {
    /// The physical address of the first byte.
    public var physical: UInt64
    /// The logarithm of the bytes around it that are translated alike.
    public var sizeLog2: Int
    /// What is allowed there, as `rwx` for the privileged and then for others, `-` for what is not.
    public var permissions: String

    /// Puts a translation together.
    public init(physical: UInt64, sizeLog2: Int, permissions: String) {
      self.physical = physical
      self.sizeLog2 = sizeLog2
      self.permissions = permissions
    }
  }

  /// A cache's answer that the tables in memory no longer give.
  public struct Stale: Sendable, Hashable {
    /// Which cache: `tlb`, `ste`, `cd`, `atc`.
    public var cache: String
    /// Counts of writes to tables: at the first the two agreed last, at the second they were
    /// seen to differ.
    public var agreedAt: UInt64
    /// The count at which the two were seen to differ.
    public var seenAt: UInt64
    /// The command that is missing, as two words.
    public var missing: [UInt64]

    /// Puts the finding together.
    public init(cache: String, agreedAt: UInt64, seenAt: UInt64, missing: [UInt64]) {
      self.cache = cache
      self.agreedAt = agreedAt
      self.seenAt = seenAt
      self.missing = missing
    }
  }

  /// How the access ended.
  public var outcome: Outcome
  /// Bytes that were read or written.
  public var count = 0
  /// What was read.
  public var data: [UInt8] = []
  /// How the first byte was translated; nil when it was not.
  public var translation: Translation?
  /// The hardware's record of why it is not done; as many words as records have.
  public var record: [UInt64]?
  /// Whether the record went to the event queue.
  public var isRecorded = false
  /// The tag that a stalled access is resumed by.
  public var stag: UInt32?
  /// The physical address that does not exist.
  public var externalAbort: UInt64?
  /// What the access used of caches that the tables no longer say; nil when there was nothing.
  public var stale: Stale?

  /// A result of which only the outcome is known.
  public init(_ outcome: Outcome) { self.outcome = outcome }
}

/// The hardware's end of a device: it sends the device's transactions to memory, from any thread.
public protocol DevicePort: AnyObject, Sendable {
  func perform(_ request: DMARequest) -> DMAResult

  /// Carries out accesses one after the other, for a generator of traffic.
  ///
  /// - Returns: how they ended.
  func run(_ batch: TrafficBatch) -> TrafficCounts
}

/// Accesses that a generator of traffic makes at once.
public struct TrafficBatch: Sendable {
  /// Each is read or written as its lowest bit says, which is no part of the address.
  public var addresses: [UInt64]
  /// Bytes of each access.
  public var length: Int
  /// By the position modulo the count; nil is no PASID. Not empty.
  public var pasids: [UInt32?]

  /// Puts a batch together.
  public init(addresses: [UInt64], length: Int, pasids: [UInt32?]) {
    self.addresses = addresses
    self.length = length
    self.pasids = pasids
  }
}

/// How accesses ended.
public struct TrafficCounts: Sendable, Equatable {
  /// Accesses that were carried out.
  public var done: UInt64 = 0
  /// Accesses that were aborted, or that read zeros.
  public var faulted: UInt64 = 0
  /// Accesses that were left waiting for an answer.
  public var stalled: UInt64 = 0
  /// Those among the others that used a stale translation.
  public var stale: UInt64 = 0

  /// Nothing was counted yet.
  public init() {}

  /// Adds what another count has; sums wrap around at 2^64.
  public static func += (left: inout TrafficCounts, right: TrafficCounts) {
    left.done &+= right.done
    left.faulted &+= right.faulted
    left.stalled &+= right.stalled
    left.stale &+= right.stale
  }
}
