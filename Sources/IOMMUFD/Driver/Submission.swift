// SPDX-License-Identifier: Apache-2.0

/// Commands that were put into a guest's ring, and what became of them; filled in at commit.
public final class Submission: @unchecked Sendable {
  /// What became of one command.
  public struct Command: Sendable, Equatable {
    /// Its place in the ring.
    public var index: UInt32
    /// As the guest wrote it: two words.
    public var guest: [UInt64]
    /// As the hardware carried it out; nil if it was refused.
    public var executed: [UInt64]?
    /// Why it was refused.
    public var error: String?

    /// Says what became of a command.
    public init(index: UInt32, guest: [UInt64], executed: [UInt64]?, error: String?) {
      self.index = index
      self.guest = guest
      self.executed = executed
      self.error = error
    }
  }

  /// The state of the queue once the doorbell was rung.
  public struct Result: Sendable, Equatable {
    /// The indices as they are now, with their wrap bits.
    public var prod: UInt32
    /// The consumer index, with its wrap bit.
    public var cons: UInt32
    /// Whether the queue runs at all.
    public var isEnabled: Bool
    /// Commands that are in the ring and not carried out.
    public var pending: UInt32
    /// Why the queue stands still, if it does.
    public var error: String?
    /// Those that were carried out or refused before the answer.
    public var commands: [Command] = []

    /// Puts the state together, with no command yet.
    public init(prod: UInt32, cons: UInt32, isEnabled: Bool, pending: UInt32, error: String?) {
      self.prod = prod
      self.cons = cons
      self.isEnabled = isEnabled
      self.pending = pending
      self.error = error
    }
  }

  // Written and read under the host's lock only.
  /// What came of it; nil before the commit.
  public var result: Result?

  /// A submission that is still to be committed.
  public init() {}
}
