// SPDX-License-Identifier: Apache-2.0
import HTTPCore
public import IOMMUFD

/// Whether a file stays open: a queue's event file between reads, or an iommufd.
enum EventFileMode: String, CaseIterable, Sendable {
  case open, closed

  init(isOpen: Bool) { self = isOpen ? .open : .closed }
}

/// The body of `POST /veventqs`.
public struct VEventQueueRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?
  /// The vIOMMU whose events it is to get.
  public var viommu: String
  /// The type of the events (`enum iommu_veventq_type`).
  public var type: VEventQueueType
  /// The number of events that it holds, 1 to 2^19.
  public var depth: Int
  /// Whether the event file stays open between reads, as a VMM leaves it.
  public var keepsFileOpen: Bool

  init?(_ reader: ObjectReader, _ scope: DecodingScope) {
    let id = scope.id(reader)
    let viommu = reader.reference("viommu", required: true)
    let type = reader.type("type", of: VEventQueueType.self, isOpen: true)
    let depth = reader.int("depth", required: true, in: 1...VEventQueue.depthLimit)
    let file = reader.choice("file", of: EventFileMode.self)
    guard let viommu, let type, let depth else { return nil }
    self.id = id
    self.viommu = viommu
    self.type = type
    self.depth = depth
    keepsFileOpen = file == .open
  }

  init(_ queue: VEventQueue) {
    id = queue.name
    viommu = queue.viommu.name
    type = queue.type
    depth = queue.fifo.depth
    keepsFileOpen = queue.isFileOpen
  }
}

extension VEventQueueRequest: ResourceRequest {
  static let kind = ObjectKind.veventq
  static let collection = "veventqs"
  static let operationNoun = "VEventQueue"
  static let changesSilently = true
  static let filters = [
    filter("context") { $0.owner.name },
    filter("viommu") { $0.viommu.name },
    filter("type", .veventType) { $0.type.name },
  ]

  var creation: Creation { .veventq(self) }

  static func write(_ queue: VEventQueue, to writer: inout JSONWriter) {
    let status = queue.fifo.status
    writer.field("viommu", text: queue.viommu.name)
    writer.field("type", text: queue.type.name)
    writer.field("depth", int: queue.fifo.depth)
    writer.field("file", text: EventFileMode(isOpen: queue.isFileOpen).rawValue)
    writer.key("poll")
    writer.array(of: queue.fifo.isReadable ? ["in"] : []) { $0.text($1) }
    writer.field("pending", int: status.pending)
    writer.field("lost_events", bool: status.hasLost)
    writer.field("next_sequence", int: Int(status.nextSequence))
  }
}
