// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import Locking

/// The body of `GET …?follow=true` of a veventq or a fault queue. It is an open event file, which
/// is read whenever there is news, and which pins the queue.
final class QueueStream: StreamSource {
  private struct State {
    var saysHello = true
    var isOver = false
    var lastMark: UInt64 = 0
    var finish: StreamEnd?
    /// The open file, until the stream ends. What is in it is used under the host's lock.
    var file: FileHandle?
  }

  /// Carries the file to the end of the stream. What it carries is used under the host's lock only.
  private struct FileHandle: @unchecked Sendable {
    let file: EventFile
  }

  let topic: Topic
  private let host: Host
  private let key: ObjectKey
  private let queue: any FollowedQueue
  private let format: EventLog.Format
  private let workers: WorkerPool?
  private let state: Locked<State>

  private init(
    _ host: Host, _ workers: WorkerPool?, _ key: ObjectKey, _ queue: any FollowedQueue,
    _ topic: Topic,
    _ format: EventLog.Format,
    _ file: FileHandle
  ) {
    self.host = host
    self.workers = workers
    self.key = key
    self.queue = queue
    self.topic = topic
    self.format = format
    var state = State()
    state.file = file
    self.state = Locked(state)
  }

  /// Opens a queue's event file, and answers with its stream.
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
        call.host, call.api.configuration.workers, key, queue, topic,
        type == MediaType.ndjson ? .ndjson : .eventStream,
        FileHandle(file: file))
      file.whenClosed = { [weak opened] in opened?.finish(reason: .closed) }
      stream = opened
    }
    guard let stream else { throw Problem(.notFound, "there is no \(key.kind) \(key.id)") }
    return Response(
      status: 200, headers: [(.contentType, type), (.cacheControl, "no-store")],
      body: .stream(stream))
  }

  /// The queue of an object, which wakes `topic` from now on; nil for an object that has none.
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

  /// Has a mark be written at once. Writing it shows whether the reader is still there.
  func prompt() { state.withLock { $0.lastMark = 0 } }

  func produce(into chunk: inout [UInt8], limit: Int, now: UInt64) -> StreamState {
    state.withLock { state in
      if state.isOver { return .ended }
      if state.saysHello {
        state.saysHello = false
        state.lastMark = now
        StreamLine.append("hello", as: format, to: &chunk) { writer in
          writer.key("object")
          writer.object { $0.reference(to: key) }
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
    let host = host
    host.gate.submit(workers) {
      // Closing the file can fail for no reason that anybody could act on.
      try? host.perform { state throws(Problem) in
        do throws(Refusal) {
          try state.core.eventFiles.stopFollowing(handle.file)
        } catch {
          throw Problem(error)
        }
      }
    }
  }
}

/// A queue of events, as the stream of its follower sees it.
private protocol FollowedQueue: Sendable {
  var isReadable: Bool { get }
  /// Whether the queue has been deleted.
  var isClosed: Bool { get }

  func setReader(_ wake: (@Sendable () -> Void)?)

  /// Reads some entries, which takes them out of the queue, and writes a line for each.
  ///
  /// - Returns: whether there were any.
  func take(into chunk: inout [UInt8], as format: EventLog.Format) -> Bool
}

extension VEventFIFO: FollowedQueue {
  /// Bytes that are read at once: 64 entries, each with its header.
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
    // A group has at most 512 faults, so that there is always room for one.
    let groups = (try? read(count: 512 * FaultGroup.recordBytes)) ?? []
    for group in groups {
      StreamLine.append("faults", as: format, to: &chunk) {
        EventCoding.writeMembers(of: group, to: &$0)
      }
    }
    return !groups.isEmpty
  }
}
