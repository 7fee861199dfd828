// SPDX-License-Identifier: Apache-2.0

/// One step of a host's history: everything that an operation, a batch or a cascade changes.
///
/// Every change of an object notes here how it is taken back. A transaction that fails, or that was
/// a dry run, is undone in reverse order and leaves no trace. Hardware and other threads see the
/// stream table and the event queues without the host's lock, so that those change only at commit.
public final class Transaction {
  /// How one change is taken back. The frequent changes have cases of their own, which cost less
  /// than a closure.
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

  /// The number of the transaction on its host. Objects that it changes bear it as their revision.
  public internal(set) var number: UInt64 = 0
  var undo: [Undo] = []
  private var effects: [() -> Void] = []
  private var changed: [Object] = []
  /// The objects that it has deleted, in the order in which they went.
  public internal(set) var deleted: [ObjectKey] = []
  var testHooks = TestHooks()

  /// What only tests set.
  struct TestHooks {
    /// How many steps it takes until one fails with `ENOMEM`: with 1 the next one does. When it is
    /// nil, none fails.
    var stepsUntilFault: Int?
  }

  /// Registers how a change that was made is taken back; rollback runs these in reverse order.
  public func onRollback(_ inverse: @escaping () -> Void) { undo.append(.run(inverse)) }

  /// Registers a change that others see without the host's lock; commit runs these in order. None
  /// of them may fail.
  public func onCommit(_ effect: @escaping () -> Void) { effects.append(effect) }

  /// Notes an object of which its driver has changed something that is shown. The core, which did
  /// not touch the object itself, then counts it as changed by the transaction.
  public func noteChange(of object: Object) { changed.append(object) }

  func takeChanged() -> [Object] {
    defer { changed.removeAll(keepingCapacity: true) }
    return changed
  }

  /// A point to come back to when one way of doing something fails and another one is tried.
  struct Savepoint {
    let undo: Int
    let effects: Int
    let deleted: Int
  }

  var savepoint: Savepoint {
    Savepoint(undo: undo.count, effects: effects.count, deleted: deleted.count)
  }

  /// Forgets the effects and deletions since a savepoint. The core takes back the changes
  /// themselves.
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
