// SPDX-License-Identifier: Apache-2.0

/// What can be done with contexts.
public struct Contexts: ObjectVerbs {
  unowned let core: ObjectCore

  /// Opens an iommufd (`iommufd_fops_open`).
  ///
  /// - Parameter name: the name of the new object; nil to have one made up.
  /// - Throws: `EEXIST` for a name that is taken.
  @discardableResult
  public func open(_ name: String?) throws(Refusal) -> Context {
    let context = Context(name: try claimName(.context, name))
    try publish(context)
    return context
  }

  /// Closes an iommufd but not its event files. All objects stay until the last event file is
  /// closed and the last device is unbound, because each of these holds the context.
  ///
  /// - Throws: `ENOENT` when there is no such context, `EBADF` when its file is closed already.
  public func closeFile(of name: String) throws(Refusal) {
    let context: Context = try find(.context, name)
    guard context.isFileOpen else {
      throw Refusal(.EBADF, .busy, "the file of context \(name) is closed already")
    }
    try step()
    context.isFileOpen = false
    transaction.onRollback { context.isFileOpen = true }
    touch(context)
    recorder?.record(.updated(context))
    try closeIfAbandoned(context)
  }

  /// Ends a context whose own file is closed, once no event file and no device holds it any more.
  func closeIfAbandoned(_ context: Context) throws(Refusal) {
    if !context.isFileOpen, context.heldBy.isEmpty, context.isLive { try close(context) }
  }

  /// Ends a context (`iommufd_fops_release`): all of its objects go. They are visited in ascending
  /// order of their IDs, again and again, and each visit takes those that nobody holds at that
  /// moment.
  func close(_ context: Context) throws(Refusal) {
    try step()
    for number in context.memoryMaps.keys.sorted() { core.memoryMaps.unmap(number, of: context) }
    // An access belongs to a driver in the kernel. User space cannot destroy it, but its owner
    // gives it up when the file goes.
    for object in context.byID.ids.compactMap({ context.byID[$0] as? Access }) {
      core.removal.destroyUnheld(object)
    }
    var remaining = context.byID.ids
    while !remaining.isEmpty {
      var left: [UInt32] = []
      for id in remaining {
        // The hidden second ID of a hw-queue went together with the queue.
        guard let object = context.byID[id] else { continue }
        if object.heldBy.isEmpty, object.objectID == id {
          core.removal.destroyUnheld(object)
        } else {
          left.append(id)
        }
      }
      // Objects never hold each other in a ring, so each pass finds one that nobody holds.
      precondition(left.count < remaining.count, "a context's objects hold each other")
      remaining = left
    }
    retire(context)
  }
}
