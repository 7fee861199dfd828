// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// `POST /fault-queues`
public struct FaultQueueRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for one of the server's.
  public var id: String?
  /// The context that it is to be in.
  public var context: String
  /// Whether the event file stays open between reads, as a VMM's does.
  public var keepsFileOpen: Bool

  init(_ reader: ObjectReader, _ scope: DecodingScope) {
    id = scope.id(reader)
    context = reader.reference("context") ?? defaultContext
    keepsFileOpen = reader.choice("file", of: EventFileMode.self) == .open
  }

  init(_ queue: FaultQueue) {
    id = queue.name
    context = queue.owner.name
    keepsFileOpen = queue.isFileOpen
  }
}

extension Resource {
  static let faultQueues = Resource(
    kind: .faultQueue, collection: "fault-queues",
    decode: { reader, scope in .faultQueue(FaultQueueRequest(reader, scope)) },
    creation: { object in
      (object as? FaultQueue).map { .faultQueue(FaultQueueRequest($0)) }
    },
    write: { object, writer in
      guard let queue = object as? FaultQueue else { return }
      let status = queue.fifo.status
      writer.field(
        "file", text: (queue.isFileOpen ? EventFileMode.open : .closed).rawValue)
      writer.key("poll")
      writer.array(of: status.pending > 0 ? ["in", "out"] : ["out"]) { $0.text($1) }
      writer.field("pending", int: status.pending)
      writer.field("unanswered", int: status.unanswered)
    },
    filters: [.value("context", FaultQueue.self) { $0.owner.name }])
}
