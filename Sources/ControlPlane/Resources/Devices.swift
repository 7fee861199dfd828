// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The body of `POST /devices`.
public struct DeviceRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?
  /// The SMMU that the device is behind.
  public var smmu: String
  /// The context that it is bound to.
  public var context: String
  /// Its stream ID, or the first one of several.
  public var streamID: UInt32
  /// Further stream IDs of the device, such as the aliases that a bridge makes.
  public var aliasStreamIDs: [UInt32]
  /// The group that it is in; nil for a group of its own.
  public var group: String?
  /// Whether the device has ATS.
  public var ats: Bool
  /// Whether the device has PRI, by which it asks for pages.
  public var pri: Bool
  /// The width of its PASIDs in bits, 0 to 20.
  public var pasidBits: Int
  /// Whether its transactions can stall, which is to wait for an answer to their faults.
  public var stall: Bool
  /// Whether its IOMMU can record which pages it writes.
  public var tracksDirtyPages: Bool

  init?(_ reader: ObjectReader, _ scope: DecodingScope) {
    let id = scope.id(reader)
    let smmu = reader.reference("smmu", required: true)
    let streamID = reader.int("stream_id", required: true, in: 0...Int(UInt32.max))
    let aliases = DeviceRequest.readAliases(reader)
    let context = reader.reference("context")
    let group = reader.identifier("group")
    let ats = reader.bool("ats")
    let pri = reader.bool("pri")
    let pasidBits = reader.int("pasid_bits", in: 0...20)
    let stall = reader.bool("stall")
    let tracksDirtyPages = reader.bool("dirty_tracking")
    guard let smmu, let streamID else { return nil }
    self.id = id
    self.smmu = smmu
    self.context = context ?? defaultContext
    self.streamID = UInt32(streamID)
    self.aliasStreamIDs = aliases
    self.group = group
    self.ats = ats ?? false
    self.pri = pri ?? false
    self.pasidBits = pasidBits ?? 0
    self.stall = stall ?? false
    self.tracksDirtyPages = tracksDirtyPages ?? true
  }

  init(_ device: Device) {
    let properties = device.properties
    id = device.name
    smmu = device.smmu.name
    context = device.owner.name
    streamID = properties.streamIDs[0]
    aliasStreamIDs = Array(properties.streamIDs.dropFirst())
    group = properties.group
    ats = properties.ats
    pri = properties.pri
    pasidBits = properties.pasidBits
    stall = properties.stall
    tracksDirtyPages = properties.tracksDirtyPages
  }

  var properties: Device.Properties {
    Device.Properties(
      streamIDs: [streamID] + aliasStreamIDs, group: group, ats: ats, pri: pri,
      pasidBits: pasidBits, stall: stall, tracksDirtyPages: tracksDirtyPages)
  }

  private static func readAliases(_ reader: ObjectReader) -> [UInt32] {
    let name = "alias_stream_ids"
    guard let elements = reader.array(name, count: 0...15) else { return [] }
    var result: [UInt32] = []
    for (position, element) in elements.enumerated() {
      guard let number = element.quantity.flatMap({ UInt32(exactly: $0) }) else {
        reader.fault(.invalidField, "\(name)/\(position)", "expected a stream ID of 32 bits")
        continue
      }
      result.append(number)
    }
    return result
  }
}

extension DeviceRequest: ResourceRequest {
  static let kind = ObjectKind.device
  static let collection = "devices"
  static let operationNoun = "Device"
  static let filters = [
    filter("smmu") { $0.smmu.name },
    filter("context") { $0.owner.name },
    filter("group") { $0.properties.group },
    filter("stream_id", .int) { String($0.properties.streamIDs[0]) },
    filter("domain") { $0.domain(at: 0)?.name },
  ]

  var creation: Creation { .device(self) }

  static func write(_ device: Device, to writer: inout JSONWriter) {
    let properties = device.properties
    writer.field("smmu", text: device.smmu.name)
    writer.field("stream_id", int: Int(properties.streamIDs[0]))
    writer.key("alias_stream_ids")
    writer.array(of: properties.streamIDs.dropFirst()) { $0.int(Int($1)) }
    writer.field("group", text: properties.group)
    writer.field("ats", bool: properties.ats)
    writer.field("pri", bool: properties.pri)
    writer.field("pasid_bits", int: properties.pasidBits)
    writer.field("stall", bool: properties.stall)
    writer.field("dirty_tracking", bool: properties.tracksDirtyPages)
    writer.field("vdev", text: device.vdev?.name)
    writer.field("attachment", object: device.domain(at: 0)) { $0.field("domain", text: $1.name) }
    writer.key("attachments")
    writer.array(of: device.attachedPASIDs) { writer, pasid in
      writer.object { writer in
        writer.field("pasid", int: Int(pasid))
        writer.field("domain", text: device.domain(at: pasid)?.name)
      }
    }
  }
}
