// SPDX-License-Identifier: Apache-2.0

/// What a veventq and a fault queue have in common (`struct iommufd_eventq`): a file that they are
/// read through, which pins them while it is open.
public class EventQueue: ContextObject {
  /// Its open files: the one that creation handed out, and those of its followers.
  var files: [EventFile] = []
  /// The number that the process has for the file that creation handed out, while it is open.
  var fileDescriptor: UInt32?
  /// Whether the file that creation handed out is still open.
  public var isFileOpen: Bool { fileDescriptor != nil }

  /// Ends the queue at once: what it holds is dropped, and who follows it is told.
  func close() { preconditionFailure("each kind of event queue has a way to end") }
}

/// An open event file. It pins its queue, and the context too: the kernel's event files hold a
/// reference on the iommufd file.
public final class EventFile {
  let queue: Pin
  let context: Pin
  /// Told when the file has been closed and its queue lives on.
  public var whenClosed: (@Sendable () -> Void)?

  init(queue: Pin, context: Pin) {
    self.queue = queue
    self.context = context
  }
}

/// The files of event queues, opened and closed.
public struct EventFiles: ObjectVerbs {
  unowned let core: ObjectCore

  /// Opens the file that comes with the queue.
  func openFile(of queue: EventQueue) throws(Refusal) {
    let context = queue.owner
    guard let descriptor = context.descriptors.allocate() else {
      throw Refusal(.EMFILE, field: "file", "the process has no file descriptor left")
    }
    transaction.onRollback { context.descriptors.free(descriptor) }
    try addFile(to: queue)
    queue.fileDescriptor = descriptor
    transaction.onRollback { queue.fileDescriptor = nil }
  }

  @discardableResult
  private func addFile(to queue: EventQueue) throws(Refusal) -> EventFile {
    let file = EventFile(
      queue: try pin(queue, by: nil, .openFile),
      context: try pin(queue.owner, by: queue, .openFile))
    queue.files.append(file)
    transaction.onRollback { queue.files.removeAll { $0 === file } }
    return file
  }

  /// Someone begins to follow a queue: an open file as long as they do.
  ///
  /// - Returns: what `stopFollowing` wants back.
  public func follow(_ key: ObjectKey) throws(Refusal) -> EventFile {
    guard let queue = object(key) as? EventQueue else {
      throw Refusal(.ENOENT, .notFound, "there is no \(key.kind.rawValue) \(key.id)")
    }
    return try addFile(to: queue)
  }

  /// The follower is gone; its file is closed unless somebody closed it before.
  public func stopFollowing(_ file: EventFile) throws(Refusal) {
    guard let queue = file.queue.target as? EventQueue else { return }
    close(file, of: queue)
    try core.contexts.closeIfAbandoned(queue.owner)
  }

  /// Closes all files of a queue: the one it came with, and those of its followers, whose streams
  /// end.
  public func closeFiles(of key: ObjectKey) throws(Refusal) {
    guard let queue = object(key) as? EventQueue else {
      throw Refusal(.ENOENT, .notFound, "there is no \(key.kind.rawValue) \(key.id)")
    }
    try step()
    if let descriptor = queue.fileDescriptor {
      let context = queue.owner
      queue.fileDescriptor = nil
      context.descriptors.free(descriptor)
      transaction.onRollback {
        context.descriptors.take(descriptor)
        queue.fileDescriptor = descriptor
      }
    }
    for file in queue.files { close(file, of: queue) }
    recorder?.record(.updated(queue))
    try core.contexts.closeIfAbandoned(queue.owner)
  }

  private func close(_ file: EventFile, of queue: EventQueue) {
    guard let index = queue.files.firstIndex(where: { $0 === file }) else { return }
    queue.files.remove(at: index)
    transaction.onRollback { queue.files.insert(file, at: index) }
    // The end of the queue itself is told by its FIFO.
    transaction.onCommit { if queue.isLive { file.whenClosed?() } }
    unpin(file.queue)
    unpin(file.context)
  }
}
