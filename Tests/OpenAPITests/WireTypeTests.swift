// SPDX-License-Identifier: Apache-2.0
@testable import ControlPlane
import HTTPCore
import Testing

/// A decoder, and the schema of what it decodes.
struct WireType: Sendable, CustomTestStringConvertible {
  let schema: String
  let decode: @Sendable (ObjectReader, DecodingScope) -> Void

  var testDescription: String { schema }

  init(_ schema: String, _ decode: @escaping @Sendable (ObjectReader, DecodingScope) -> Void) {
    self.schema = schema
    self.decode = decode
  }

  init(_ schema: String, _ resource: Resource) {
    self.init(schema) { reader, scope in _ = resource.decode(reader, scope) }
  }

  /// What the decoder asks a body for.
  func recorded() -> ObjectReader {
    let reader = ObjectReader.recording()
    decode(reader, DecodingScope(models: Service.models))
    return reader
  }

  static let all: [WireType] = [
    WireType("SMMUCreate", .smmus),
    WireType("ContextCreate", .contexts),
    WireType("DeviceCreate", .devices),
    WireType("IOASCreate", .ioases),
    WireType("PagingDomainCreate") { reader, scope in
      _ = scope.id(reader)
      _ = reader.choice("type", required: true, of: DomainType.self)
      _ = DomainCreation.paging(reader)
    },
    WireType("NestedDomainCreate") { reader, scope in
      _ = scope.id(reader)
      _ = reader.choice("type", required: true, of: DomainType.self)
      _ = DomainCreation.nested(reader)
    },
    WireType("VIOMMUCreate", .viommus),
    WireType("VDevCreate", .vdevs),
    WireType("HWQueueCreate", .hwQueues),
    WireType("VEventQueueCreate", .veventqs),
    WireType("FaultQueueCreate", .faultQueues),
    WireType("AttachTarget") { reader, _ in _ = DeviceRoutes.decodeTarget(reader) },
    WireType("MapRequest") { reader, _ in _ = AreaCoding.decodeMap(reader) },
    WireType("PageRequest") { reader, _ in _ = PageRequest(reader) },
    WireType("FaultResponses") { reader, _ in _ = EventCoding.decodeResponses(reader, to: "") },
    WireType("DMARequest") { reader, _ in _ = DMACoding.decode(reader) },
    WireType("TrafficRequest") { reader, _ in _ = TrafficSettings(reader) },
    WireType("CommandRequest") { reader, _ in _ = CommandCoding.decode(reader) },
    WireType("EventRecordRequest") { reader, _ in _ = RecordCoding.decode(reader) },
    WireType("AccessCreate", .accesses),
    WireType("IoctlRequest") { reader, _ in _ = IoctlCoding.decode(reader) },
    WireType("MemoryMapRequest") { reader, _ in _ = MemoryMapRequest(reader) },
    WireType("HostCreate") { reader, scope in
      _ = HostSettings(reader, pathID: nil, models: scope.models)
    },
  ]
}

@Suite("Wire types and their schemas")
struct WireTypeTests {
  @Test(
    "A decoder asks for the properties of its schema, and requires those that are required",
    arguments: WireType.all)
  func fields(_ type: WireType) {
    compare(type.recorded(), Document.schema(type.schema), type.schema)
  }

  private func compare(_ reader: ObjectReader, _ schema: JSONTree, _ place: String) {
    let schema = Document.resolve(schema)
    #expect(Set(reader.fields.map(\.name)) == schema["properties"]?.names, "\(place)")
    #expect(
      Set(reader.fields.filter(\.isRequired).map(\.name)) == Set(schema["required"]?.strings ?? []),
      "\(place)")
    #expect(schema["additionalProperties"] == .bool(false), "\(place) is not closed")
    for field in reader.fields {
      let property = schema["properties"]?[field.name] ?? .null
      let types = Self.types(property)
      #expect(types.subtracting(["null"]) == Self.types(of: field.kind), "\(place).\(field.name)")
      // Null is the same as nothing, for every field that need not be there.
      #expect(types.contains("null") == !field.isRequired, "\(place).\(field.name)")
      if let inner = reader.recordedObjects[field.name] {
        let object = property["anyOf"]?.elements.first ?? property
        compare(inner, object, "\(place).\(field.name)")
      }
    }
  }

  private static func types(of kind: FieldSpec.Kind) -> Set<String> {
    switch kind {
    case .identifier, .reference, .text, .choice: ["string"]
    case .bool: ["boolean"]
    case .int: ["integer"]
    case .hex: ["string", "integer"]
    case .array: ["array"]
    case .object: ["object"]
    }
  }

  /// The types that a schema allows.
  private static func types(_ schema: JSONTree) -> Set<String> {
    let schema = Document.resolve(schema)
    var types = Set(schema["type"].map { $0.string.map { [$0] } ?? $0.strings } ?? [])
    for part in (schema["anyOf"]?.elements ?? []) + (schema["allOf"]?.elements ?? []) {
      types.formUnion(Self.types(part))
    }
    return types
  }
}
