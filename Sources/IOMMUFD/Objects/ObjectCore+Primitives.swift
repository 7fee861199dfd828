// SPDX-License-Identifier: Apache-2.0

/// The few ways in which objects change; each notes its inverse in the transaction.
extension ObjectCore {
  // MARK: Steps

  /// Called before each change, so that a test can make any of them fail.
  func step() throws(Refusal) {
    guard let left = transaction.testHooks.stepsUntilFault else { return }
    if left <= 1 { throw Refusal(.ENOMEM, "a fault was injected at this step") }
    transaction.testHooks.stepsUntilFault = left - 1
  }

  // MARK: Names

  /// The name for a new object: the client's, or the next of the server's for that kind.
  ///
  /// - Throws: `EEXIST` when the client's is taken.
  func claimName(_ kind: ObjectKind, _ wanted: String?) throws(Refusal) -> String {
    let counter = tables[kind.index].counter
    guard let wanted else {
      transaction.undo.append(.counter(kind, counter))
      tables[kind.index].counter = counter + 1
      return "\(kind.rawValue)-\(counter + 1)"
    }
    if tables[kind.index].byName[wanted] != nil {
      throw Refusal(
        .EEXIST, field: "id", "\(kind.rawValue) \(wanted) exists already",
        object: ObjectKey(kind, wanted))
    }
    // A client that uses a name of the server's form must not meet the server coming up to it.
    if let number = ObjectCore.serverNumber(kind, wanted), number > counter {
      transaction.undo.append(.counter(kind, counter))
      tables[kind.index].counter = number
    }
    return wanted
  }

  private static func serverNumber(_ kind: ObjectKind, _ name: String) -> Int? {
    let prefix = kind.rawValue + "-"
    guard name.utf8.starts(with: prefix.utf8) else { return nil }
    let digits = name.utf8.dropFirst(prefix.utf8.count)
    guard digits.count <= 18, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
    return Int(String(Substring(digits)))
  }

  // MARK: Object IDs

  /// Takes the lowest free ID of a context.
  func claimID(_ context: Context) throws(Refusal) -> UInt32 {
    try step()
    guard context.isFileOpen else {
      throw Refusal(.EBADF, .busy, "the file of context \(context.name) is closed")
    }
    guard let id = context.ids.allocate() else {
      throw Refusal(.ENOMEM, "the context has no object ID left")
    }
    transaction.undo.append(.freeID(context, id))
    return id
  }

  func releaseID(_ id: UInt32, of context: Context) {
    let occupant = context.byID[id]
    context.byID[id] = nil
    context.ids.free(id)
    transaction.undo.append(.takeID(context, id, occupant))
  }

  /// Binds an ID to its object, or to the object that a hidden one belongs to.
  func occupy(_ id: UInt32, of context: Context, with object: Object) {
    context.byID[id] = object
    transaction.undo.append(.vacate(context, id))
  }

  // MARK: Objects

  /// The publishing step: before it a creation can fail, behind it the object is there.
  func publish(_ object: Object) throws(Refusal) {
    try step()
    if let id = object.objectID, let context = object.context {
      occupy(id, of: context, with: object)
    }
    insert(object)
    transaction.undo.append(.remove(object))
    touch(object)
    recorder?.record(.created(object))
  }

  /// The end of an object: it leaves the table, and its ID is free again.
  func retire(_ object: Object) {
    while let pin = object.holds.last { unpin(pin) }
    if let id = object.objectID, let context = object.context { releaseID(id, of: context) }
    withdraw(object)
    recorder?.record(.deleted(object))
  }

  /// Takes an object out of the table without a word about its ID.
  func withdraw(_ object: Object) {
    touchKind(object.kind)
    remove(object)
    transaction.undo.append(.insert(object))
    transaction.deleted.append(object.key)
  }

  private func insert(_ object: Object) {
    object.isLive = true
    tables[object.kind.index].byName[object.name] = object
    tables[object.kind.index].sorted.insert(object)
  }

  private func remove(_ object: Object) {
    object.isLive = false
    tables[object.kind.index].byName.removeValue(forKey: object.name)
    tables[object.kind.index].sorted.remove(object)
  }

  /// Marks an object as changed by this transaction.
  func touch(_ object: Object) {
    touchKind(object.kind)
    guard object.revision != transaction.number else { return }
    transaction.undo.append(.revision(object, object.revision))
    object.revision = transaction.number
  }

  private func touchKind(_ kind: ObjectKind) {
    let revision = tables[kind.index].revision
    guard revision != transaction.number else { return }
    transaction.undo.append(.kindRevision(kind, revision))
    tables[kind.index].revision = transaction.number
  }

  // MARK: Pins

  @discardableResult
  func pin(_ target: Object, by holder: Object?, _ cause: Pin.Cause) throws(Refusal) -> Pin {
    try step()
    let pin = Pin(holder: holder, target: target, cause: cause)
    link(pin)
    transaction.undo.append(.unpin(pin))
    touch(target)
    if let holder, holder.isLive { touch(holder) }
    return pin
  }

  func unpin(_ pin: Pin) {
    unlink(pin)
    transaction.undo.append(.pin(pin))
    touch(pin.target)
    if let holder = pin.holder, holder.isLive { touch(holder) }
  }

  private func link(_ pin: Pin) {
    pin.targetIndex = pin.target.heldBy.count
    pin.target.heldBy.append(pin)
    guard let holder = pin.holder else { return }
    pin.holderIndex = holder.holds.count
    holder.holds.append(pin)
  }

  private func unlink(_ pin: Pin) {
    let target = pin.target
    target.heldBy.swapAt(pin.targetIndex, target.heldBy.count - 1)
    target.heldBy[pin.targetIndex].targetIndex = pin.targetIndex
    target.heldBy.removeLast()
    guard let holder = pin.holder else { return }
    holder.holds.swapAt(pin.holderIndex, holder.holds.count - 1)
    holder.holds[pin.holderIndex].holderIndex = pin.holderIndex
    holder.holds.removeLast()
  }

  // MARK: Undoing

  func revert(_ undo: Transaction.Undo) {
    switch undo {
    case .remove(let object): remove(object)
    case .insert(let object): insert(object)
    case .unpin(let pin): unlink(pin)
    case .pin(let pin): link(pin)
    case .revision(let object, let revision): object.revision = revision
    case .kindRevision(let kind, let revision): tables[kind.index].revision = revision
    case .counter(let kind, let counter): tables[kind.index].counter = counter
    case .freeID(let context, let id): context.ids.free(id)
    case .takeID(let context, let id, let occupant):
      context.ids.take(id)
      context.byID[id] = occupant
    case .vacate(let context, let id): context.byID[id] = nil
    case .run(let inverse): inverse()
    }
  }
}
