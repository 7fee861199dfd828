// SPDX-License-Identifier: Apache-2.0
import HTTPCore
public import IOMMUFD

/// The body of `POST /hw-queues`.
public struct HWQueueRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?
  /// The vIOMMU whose guest is to have it.
  public var viommu: String
  /// The type of the queue (`enum iommu_hw_queue_type`).
  public var type: HWQueueType
  /// The number of the queue in the vIOMMU.
  public var index: UInt32
  /// The address of the ring in the guest's memory.
  public var iova: UInt64
  /// The length of the ring in bytes, a power of two.
  public var length: UInt64
  /// Who carries out the commands in the ring.
  public var execution: HWQueue.Execution

  init?(_ reader: ObjectReader, _ scope: DecodingScope) {
    let id = scope.id(reader)
    let viommu = reader.reference("viommu", required: true)
    let type = reader.type("type", of: HWQueueType.self)
    let index = reader.int("index", required: true, in: 0...Int(UInt32.max))
    let iova = reader.hex("iova", required: true)
    let length = reader.hex("length", required: true)
    let execution = reader.choice("execution", of: HWQueue.Execution.self)
    guard let viommu, let type, let index, let iova, let length else { return nil }
    self.id = id
    self.viommu = viommu
    self.type = type
    self.index = UInt32(index)
    self.iova = iova
    self.length = length
    self.execution = execution ?? .sync
  }

  init(_ queue: HWQueue) {
    id = queue.name
    viommu = queue.viommu.name
    type = queue.type
    index = queue.index
    iova = queue.iova
    length = queue.length
    execution = queue.execution
  }
}

extension HWQueueRequest: ResourceRequest {
  static let kind = ObjectKind.hwQueue
  static let collection = "hw-queues"
  static let operationNoun = "HWQueue"
  static let changesSilently = true
  static let filters = [
    filter("context") { $0.owner.name },
    filter("viommu") { $0.viommu.name },
    filter("index", .int) { String($0.index) },
  ]

  var creation: Creation { .hwQueue(self) }

  static func write(_ queue: HWQueue, to writer: inout JSONWriter) {
    writer.field("viommu", text: queue.viommu.name)
    writer.field("type", text: queue.type.name)
    writer.field("index", int: Int(queue.index))
    writer.field("iova", hex: queue.iova)
    writer.field("length", hex: queue.length)
    writer.field("execution", text: queue.execution.rawValue)
  }
}
