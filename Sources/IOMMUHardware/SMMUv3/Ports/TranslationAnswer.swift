// SPDX-License-Identifier: Apache-2.0

/// The SMMU's answer to a transaction.
public struct TranslationAnswer: Sendable, Equatable {
  /// What is done with the transaction.
  public enum Outcome: Sendable, Equatable {
    /// The transaction goes on with this translation.
    case translated(Translation)
    /// The transaction is terminated, and the device sees an abort.
    case aborted(TranslationFault)
    /// The transaction is terminated: its reads give zero and its writes have no effect (CD.A = 0).
    case zero(TranslationFault)
    /// The transaction is stalled. It waits for a RESUME with this tag, or a STALL_TERM of its
    /// stream.
    case stalled(stag: UInt16, TranslationFault)
  }

  /// What is done with the transaction.
  public var outcome: Outcome
  /// The answer of a cache that was used and that the tables no longer give; nil if all agree.
  public var stale: StaleTranslation?

  /// An answer by its parts.
  public init(_ outcome: Outcome, stale: StaleTranslation? = nil) {
    self.outcome = outcome
    self.stale = stale
  }

  /// The translation; nil unless the transaction goes on.
  public var translation: Translation? {
    if case .translated(let translation) = outcome { translation } else { nil }
  }

  /// Why the transaction does not go on; nil if it does.
  public var fault: TranslationFault? {
    switch outcome {
    case .translated: nil
    case .aborted(let fault), .zero(let fault), .stalled(_, let fault): fault
    }
  }
}

/// The result of a device's access to memory.
public struct DMAAnswer: Sendable, Equatable {
  /// How the access ended.
  public enum Outcome: Sendable, Equatable {
    /// All bytes were read or written.
    case done
    /// The access was aborted, by the SMMU or because the physical address does not exist.
    case aborted
    /// The SMMU terminated the access: reads give zero and writes have no effect (CD.A = 0). The
    /// bytes from `count` on are left as they are.
    case zero
    /// The access is stalled. It waits for a RESUME with this tag, or a STALL_TERM of its stream.
    case stalled(stag: UInt16)
  }

  /// How the access ended.
  public var outcome: Outcome
  /// How many bytes were read or written before the access ended.
  public var count: Int
  /// The translation of the first byte; nil if it was not translated.
  public var translation: Translation?
  /// Why the SMMU did not let the access go on; nil if it did.
  public var fault: TranslationFault?
  /// The first physical address of the access that does not exist; nil if all exist.
  public var externalAbort: UInt64?
  /// The first answer of a cache that was used and that the tables no longer give; nil if all
  /// agree.
  public var stale: StaleTranslation?
}
