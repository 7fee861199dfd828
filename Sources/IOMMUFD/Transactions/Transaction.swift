// SPDX-License-Identifier: Apache-2.0

/// One step of a host's history: all that an operation, a batch or a cascade changes.
///
/// Every change of an object notes its inverse here. A transaction that fails, or that was a dry
/// run, is undone in reverse order and leaves no trace. What others can see at once, the stream
/// table and the event queues, changes only at commit.
public final class Transaction {
  enum Undo {
    case remove(Object)
    case insert(Object)
    case unpin(Pin)
    case pin(Pin)
    case revision(Object, UInt64)
    case kindRevision(ObjectKind, UInt64)
    case counter(ObjectKind, Int)
    case freeID(Context, UInt32)
    case takeID(Context, UInt32, Object?)
    case vacate(Context, UInt32)
    case run(() -> Void)
  }

  /// The transaction's number on its host; objects that it changes bear it as their revision.
  public internal(set) var number: UInt64 = 0
  var undo: [Undo] = []
  private var effects: [() -> Void] = []
  private var changed: [Object] = []
  /// The objects that were deleted, in the order in which they went.
  public internal(set) var deleted: [ObjectKey] = []
  var testHooks = TestHooks()

  /// Where tests step in.
  struct TestHooks {
    /// How many more steps may be taken before one fails with `ENOMEM`; nil lets all of them pass.
    var stepsUntilFault: Int?
  }

  /// Registers the inverse of a change that was made.
  public func onRollback(_ inverse: @escaping () -> Void) { undo.append(.run(inverse)) }

  /// Registers what becomes visible outside the host's lock; run in order at commit.
  public func onCommit(_ effect: @escaping () -> Void) { effects.append(effect) }

  /// Has an object count as changed although the core has not touched it: its driver has changed
  /// something that is shown of it.
  public func noteChange(of object: Object) { changed.append(object) }

  func takeChanged() -> [Object] {
    defer { changed.removeAll(keepingCapacity: true) }
    return changed
  }

  /// A point to come back to when one of several ways fails and another may be tried.
  struct Savepoint {
    let undo: Int
    let effects: Int
    let deleted: Int
  }

  var savepoint: Savepoint {
    Savepoint(undo: undo.count, effects: effects.count, deleted: deleted.count)
  }

  /// Forgets the effects and deletions behind a savepoint; the core reverts the changes.
  func truncate(to savepoint: Savepoint) {
    effects.removeSubrange(savepoint.effects...)
    deleted.removeSubrange(savepoint.deleted...)
  }

  func takeEffects() -> [() -> Void] {
    defer { effects.removeAll(keepingCapacity: true) }
    return effects
  }

  var hasEffects: Bool { !effects.isEmpty }

  func reset(number: UInt64) {
    self.number = number
    undo.removeAll(keepingCapacity: true)
    effects.removeAll(keepingCapacity: true)
    deleted.removeAll(keepingCapacity: true)
    changed.removeAll(keepingCapacity: true)
  }
}
