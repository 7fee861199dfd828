// SPDX-License-Identifier: Apache-2.0

/// What can be done with contexts.
public struct Contexts: ObjectVerbs {
  unowned let core: ObjectCore

  /// Opens an iommufd.
  @discardableResult
  public func open(_ name: String?) throws(Refusal) -> Context {
    let context = Context(name: try claimName(.context, name))
    try publish(context)
    return context
  }

  /// Closes an iommufd but not its event files, which keep all objects alive until the last of
  /// them is closed, as bound devices do.
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

  /// The end of a context whose own file is closed, once nobody else holds it.
  func closeIfAbandoned(_ context: Context) throws(Refusal) {
    if !context.isFileOpen, context.heldBy.isEmpty, context.isLive { try close(context) }
  }

  /// Closes an iommufd (`iommufd_fops_release`): all of its objects go, in passes of ascending
  /// ID that take whatever nobody holds at that moment.
  func close(_ context: Context) throws(Refusal) {
    try step()
    for number in context.memoryMaps.keys.sorted() { core.memoryMaps.unmap(number, of: context) }
    // Accesses are somebody else's inside of the kernel, who goes with the file.
    for object in context.byID.ids.compactMap({ context.byID[$0] as? Access }) {
      core.removal.destroyUnheld(object)
    }
    var remaining = context.byID.ids
    while !remaining.isEmpty {
      var left: [UInt32] = []
      for id in remaining {
        // A queue's hidden second ID went with the queue.
        guard let object = context.byID[id] else { continue }
        if object.heldBy.isEmpty, object.objectID == id {
          core.removal.destroyUnheld(object)
        } else {
          left.append(id)
        }
      }
      // Nothing can be held in a ring, so each pass takes something.
      precondition(left.count < remaining.count, "a context's objects hold each other")
      remaining = left
    }
    retire(context)
  }
}
