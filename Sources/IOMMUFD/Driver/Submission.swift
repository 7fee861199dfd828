// SPDX-License-Identifier: Apache-2.0

/// Commands that are put into a guest's ring. What became of them is known after the commit.
public final class Submission: @unchecked Sendable {
  /// What became of one command.
  public struct Command: Sendable, Equatable {
    /// The place of the command in the ring.
    public var index: UInt32
    /// The two words of the command as the guest wrote them.
    public var guest: [UInt64]
    /// The two words of the command as the hardware carried it out; nil if it was refused.
    public var executed: [UInt64]?
    /// Why the command was refused; nil if it was carried out.
    public var error: String?

    /// A command and its result, by their parts.
    public init(index: UInt32, guest: [UInt64], executed: [UInt64]?, error: String?) {
      self.index = index
      self.guest = guest
      self.executed = executed
      self.error = error
    }
  }

  /// The state of the queue after its doorbell was rung.
  public struct Result: Sendable, Equatable {
    /// The producer index, with its wrap bit.
    public var prod: UInt32
    /// The consumer index, with its wrap bit.
    public var cons: UInt32
    /// Whether the queue is enabled and runs.
    public var isEnabled: Bool
    /// How many commands are in the ring that were not carried out.
    public var pending: UInt32
    /// Why the queue has stopped; nil if it has not.
    public var error: String?
    /// The commands that were carried out or refused before the doorbell's write returned. It is
    /// empty for a queue with a thread of its own.
    public var commands: [Command] = []

    /// A state by its parts, without commands.
    public init(prod: UInt32, cons: UInt32, isEnabled: Bool, pending: UInt32, error: String?) {
      self.prod = prod
      self.cons = cons
      self.isEnabled = isEnabled
      self.pending = pending
      self.error = error
    }
  }

  /// The result; nil before the commit. It is written and read under the host's lock only.
  public var result: Result?

  /// A submission that is still to be committed.
  public init() {}
}
