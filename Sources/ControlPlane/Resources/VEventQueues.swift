// SPDX-License-Identifier: Apache-2.0
import HTTPCore
public import IOMMUFD

/// Whether a queue's event file stays open between reads.
enum EventFileMode: String, CaseIterable, Sendable {
  case open, closed
}

/// `POST /veventqs`
public struct VEventQueueRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for one of the server's.
  public var id: String?
  /// The vIOMMU whose events it is to get.
  public var viommu: String
  /// Which events (`enum iommu_veventq_type`).
  public var type: VEventQueueType
  /// How many events it holds, 1 to 2^19.
  public var depth: Int
  /// Whether the event file stays open between reads, as a VMM's does.
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

extension Resource {
  static let veventqs = Resource(
    kind: .veventq, collection: "veventqs",
    decode: { reader, scope in VEventQueueRequest(reader, scope).map(Creation.veventq) },
    creation: { object in
      (object as? VEventQueue).map { .veventq(VEventQueueRequest($0)) }
    },
    write: { object, writer in
      guard let queue = object as? VEventQueue else { return }
      let status = queue.fifo.status
      writer.field("viommu", text: queue.viommu.name)
      writer.field("type", text: queue.type.name)
      writer.field("depth", int: queue.fifo.depth)
      writer.field(
        "file", text: (queue.isFileOpen ? EventFileMode.open : .closed).rawValue)
      writer.key("poll")
      writer.array(of: queue.fifo.isReadable ? ["in"] : []) { $0.text($1) }
      writer.field("pending", int: status.pending)
      writer.field("lost_events", bool: status.hasLost)
      writer.field("next_sequence", int: Int(status.nextSequence))
    },
    filters: [
      .value("context", VEventQueue.self) { $0.owner.name },
      .value("viommu", VEventQueue.self) { $0.viommu.name },
      .value("type", VEventQueue.self, .veventType) { $0.type.name },
    ])
}
