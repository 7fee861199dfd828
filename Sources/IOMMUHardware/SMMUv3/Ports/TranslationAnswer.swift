// SPDX-License-Identifier: Apache-2.0

/// What the SMMU answers to a transaction.
public struct TranslationAnswer: Sendable, Equatable {
  /// What becomes of the transaction.
  public enum Outcome: Sendable, Equatable {
    case translated(Translation)
    /// The device sees an abort.
    case aborted(TranslationFault)
    /// Reads give zero and writes vanish (CD.A = 0).
    case zero(TranslationFault)
    /// The transaction waits for a RESUME of its tag, or a STALL_TERM.
    case stalled(stag: UInt16, TranslationFault)
  }

  /// What becomes of the transaction.
  public var outcome: Outcome
  /// The caches that were used no longer agree with the tables in memory.
  public var stale: StaleTranslation?

  /// An answer, and what was stale of it.
  public init(_ outcome: Outcome, stale: StaleTranslation? = nil) {
    self.outcome = outcome
    self.stale = stale
  }

  /// Where the address leads; nil unless the transaction goes on.
  public var translation: Translation? {
    if case .translated(let translation) = outcome { translation } else { nil }
  }

  /// Why the transaction does not go on; nil when it does.
  public var fault: TranslationFault? {
    switch outcome {
    case .translated: nil
    case .aborted(let fault), .zero(let fault), .stalled(_, let fault): fault
    }
  }
}

/// What became of a device's access to memory.
public struct DMAAnswer: Sendable, Equatable {
  /// How the access ended.
  public enum Outcome: Sendable, Equatable {
    case done
    case aborted
    /// Reads give zero and writes vanish (CD.A = 0).
    case zero
    case stalled(stag: UInt16)
  }

  /// How the access ended.
  public var outcome: Outcome
  /// Bytes that were read or written before the outcome.
  public var count: Int
  /// How the first byte was translated.
  public var translation: Translation?
  /// Why it is not done.
  public var fault: TranslationFault?
  /// The first address that translation gave and that does not exist.
  public var externalAbort: UInt64?
  /// The first stale answer that a cache gave to it.
  public var stale: StaleTranslation?
}
