// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The body of `POST /fault-queues`.
public struct FaultQueueRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?
  /// The context that it is to be in.
  public var context: String
  /// Whether the event file stays open between reads, as a VMM leaves it.
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

extension FaultQueueRequest: ResourceRequest {
  static let kind = ObjectKind.faultQueue
  static let collection = "fault-queues"
  static let operationNoun = "FaultQueue"
  static let changesSilently = true
  static let filters = [filter("context") { $0.owner.name }]

  var creation: Creation { .faultQueue(self) }

  static func write(_ queue: FaultQueue, to writer: inout JSONWriter) {
    let status = queue.fifo.status
    writer.field("file", text: EventFileMode(isOpen: queue.isFileOpen).rawValue)
    writer.key("poll")
    writer.array(of: status.pending > 0 ? ["in", "out"] : ["out"]) { $0.text($1) }
    writer.field("pending", int: status.pending)
    writer.field("unanswered", int: status.unanswered)
  }
}
