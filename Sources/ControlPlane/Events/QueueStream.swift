// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import Locking

/// The body of `GET …?follow=true` of a veventq or a fault queue: an open file, read as news
/// comes, that pins the queue.
final class QueueStream: StreamSource {
  private struct State {
    var saysHello = true
    var isOver = false
    var lastMark: UInt64 = 0
    var finish: StreamEnd?
    /// The file, which the host's lock guards.
    var file: FileHandle?
  }

  /// Carries a file to the closing of its stream; used under the host's lock only.
  private struct FileHandle: @unchecked Sendable {
    let file: EventFile
  }

  let topic: Topic
  private let host: Host
  private let key: ObjectKey
  private let queue: any FollowedQueue
  private let format: EventLog.Format
  private let state: Locked<State>

  private init(
    _ host: Host, _ key: ObjectKey, _ queue: any FollowedQueue, _ topic: Topic,
    _ format: EventLog.Format,
    _ file: FileHandle
  ) {
    self.host = host
    self.key = key
    self.queue = queue
    self.topic = topic
    self.format = format
    var state = State()
    state.file = file
    self.state = Locked(state)
  }

  /// Opens a queue's file and answers with its stream.
  static func open(_ call: Call, _ key: ObjectKey) throws(Problem) -> Response {
    let type = try Accept.require([MediaType.ndjson, MediaType.eventStream], call.request)
    if call.request.head.method == .head {
      try call.host.read { state throws(Problem) in _ = try state.find(key) }
      return Response(status: 200, headers: [(.contentType, type)])
    }
    var stream: QueueStream?
    try call.host.perform { state throws(Problem) in
      let file: EventFile
      do throws(Refusal) {
        file = try state.core.eventFiles.follow(key)
      } catch {
        throw Problem(error)
      }
      let topic = state.topic(of: key)
      guard let queue = queue(state.core.object(key), waking: topic) else { return }
      let opened = QueueStream(
        call.host, key, queue, topic, type == MediaType.ndjson ? .ndjson : .eventStream,
        FileHandle(file: file))
      file.whenClosed = { [weak opened] in opened?.finish(reason: .closed) }
      stream = opened
    }
    guard let stream else { throw Problem(.notFound, "there is no \(key.kind) \(key.id)") }
    return Response(
      status: 200, headers: [(.contentType, type), (.cacheControl, "no-store")],
      body: .stream(stream))
  }

  /// What an object has to be followed, waking `topic` from now on; nil for one that is no queue.
  private static func queue(_ object: Object?, waking topic: Topic) -> (any FollowedQueue)? {
    let queue: (any FollowedQueue)? =
      switch object {
      case let queue as VEventQueue: queue.fifo
      case let queue as FaultQueue: queue.fifo
      default: nil
      }
    queue?.setReader { topic.publish() }
    return queue
  }

  // MARK: Stream

  func isReady(now: UInt64) -> Bool {
    state.withLock { state in
      state.saysHello || state.finish != nil || isMarkDue(state, now) || queue.isReadable
        || queue.isClosed
    }
  }

  private func isMarkDue(_ state: State, _ now: UInt64) -> Bool {
    now >= state.lastMark &+ EventLogStream.markInterval
  }

  func finish(reason: StreamEnd) {
    state.withLock { state in state.finish = state.finish ?? reason }
    topic.publish()
  }

  /// A mark is due at once: writing it tells whether the reader is still there.
  func prompt() { state.withLock { $0.lastMark = 0 } }

  func produce(into chunk: inout [UInt8], limit: Int, now: UInt64) -> StreamState {
    state.withLock { state in
      if state.isOver { return .ended }
      if state.saysHello {
        state.saysHello = false
        state.lastMark = now
        StreamLine.append("hello", as: format, to: &chunk) { writer in
          writer.key("object")
          writer.object { writer in
            writer.field("kind", text: key.kind.rawValue)
            writer.field("id", text: key.id)
          }
        }
      }
      if let reason = ending(state) {
        state.isOver = true
        StreamLine.append("bye", as: format, to: &chunk) {
          $0.field("reason", text: reason.rawValue)
        }
        return .ended
      }
      if queue.take(into: &chunk, as: format) { return .ready }
      if isMarkDue(state, now) {
        state.lastMark = now
        StreamLine.append("mark", as: format, to: &chunk) { _ in }
      }
      return .caughtUp
    }
  }

  private func ending(_ state: State) -> StreamEnd? {
    state.finish ?? (queue.isClosed ? .deleted : nil)
  }

  func closed() {
    guard let handle = state.withLock({ $0.file }) else { return }
    // The end of a reader can fail for no reason that anybody could act on.
    try? host.perform { state throws(Problem) in
      do throws(Refusal) {
        try state.core.eventFiles.stopFollowing(handle.file)
      } catch {
        throw Problem(error)
      }
    }
  }
}

/// A queue of events, as its follower reads it.
private protocol FollowedQueue: Sendable {
  var isReadable: Bool { get }
  /// Whether the queue has been deleted.
  var isClosed: Bool { get }

  func setReader(_ wake: (@Sendable () -> Void)?)

  /// Takes some entries and writes a line for each.
  ///
  /// - Returns: whether there was anything.
  func take(into chunk: inout [UInt8], as format: EventLog.Format) -> Bool
}

extension VEventFIFO: FollowedQueue {
  /// Bytes that are taken at once, as a read of the file would: 64 whole records.
  private static let batchBytes = 64 * 40

  fileprivate var isClosed: Bool { status.isClosed }

  fileprivate func take(into chunk: inout [UInt8], as format: EventLog.Format) -> Bool {
    let records = (try? read(count: VEventFIFO.batchBytes)) ?? []
    for record in records {
      StreamLine.append("vevent", as: format, to: &chunk) {
        EventCoding.writeMembers(of: record, to: &$0)
      }
    }
    return !records.isEmpty
  }
}

extension FaultFIFO: FollowedQueue {
  fileprivate var isClosed: Bool { status.isClosed }

  fileprivate func take(into chunk: inout [UInt8], as format: EventLog.Format) -> Bool {
    // A group is at most 512 pages, so this much always has room for one.
    let groups = (try? read(count: 512 * FaultGroup.recordBytes)) ?? []
    for group in groups {
      StreamLine.append("faults", as: format, to: &chunk) {
        EventCoding.writeMembers(of: group, to: &$0)
      }
    }
    return !groups.isEmpty
  }
}
