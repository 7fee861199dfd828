// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// Writes objects as the API shows them.
struct ObjectEncoder: Sendable {
  /// The part of the host's paths before a collection's name: `/v1/` or `/v1/hosts/t1/`.
  let prefix: String

  init(host: String) {
    prefix = host == defaultHost ? "/v1/" : "/v1/hosts/\(host)/"
  }

  func path(_ key: ObjectKey) -> String {
    prefix + Resource.of(key.kind).collection + "/" + key.id
  }

  /// Writes the object as GET shows it.
  func write(_ object: Object, to writer: inout JSONWriter) {
    writer.object { writer in
      writeMembers(of: object, to: &writer)
      writeRegisters(of: object, to: &writer)
      writePins(of: object, to: &writer)
    }
  }

  /// Writes the object as GET shows it, of which the part that events show has been written before.
  func write(_ object: Object, bare: [UInt8], to writer: inout JSONWriter) {
    writer.object { writer in
      writer.merge(object: bare)
      writeRegisters(of: object, to: &writer)
      writePins(of: object, to: &writer)
    }
  }

  private func writePins(of object: Object, to writer: inout JSONWriter) {
    writer.key("pins")
    writer.object { writer in
      writer.key("holds")
      writeHolds(of: object, to: &writer)
      writer.key("held_by")
      writer.beginArray()
      for pin in PinGraph.shown(object.heldBy) {
        writer.object { writer in
          writeHolder(of: pin, to: &writer)
          writer.field("why", text: pin.why)
        }
      }
      writer.endArray()
      writer.field("held_by_count", int: object.heldBy.count)
    }
    writeLists(of: object, if: object.heldBy.count > PinGraph.listLimit, to: &writer)
  }

  // MARK: Pins

  /// Writes a pin of an object with where its holder is.
  func write(holder pin: Pin, to writer: inout JSONWriter) {
    writer.object { writer in
      writeHolder(of: pin, to: &writer)
      writer.field("why", text: pin.why)
      writer.field("self", text: path((pin.holder ?? pin.target).key))
    }
  }

  func write(chain: [Object], to writer: inout JSONWriter) {
    writer.array(of: chain) { writer, object in
      writer.object { $0.reference(to: object.key) }
    }
  }

  /// Says where all holders and chains of an object are, where not all are shown.
  func writeLists(of object: Object, if isCut: Bool, to writer: inout JSONWriter) {
    guard isCut else { return }
    writer.key("lists")
    writer.object { writer in
      writer.field("holders", text: path(object.key) + "/holders")
      writer.field("chains", text: path(object.key) + "/chains")
    }
  }

  /// Writes the object as events show it: without its pins, which change with other objects, and
  /// without its registers.
  func writeBare(_ object: Object, to writer: inout JSONWriter) {
    writer.object { writeMembers(of: object, to: &$0) }
  }

  private func writeMembers(of object: Object, to writer: inout JSONWriter) {
    let resource = Resource.of(object.kind)
    writer.field("kind", text: object.kind.rawValue)
    writer.field("id", text: object.name)
    writer.field("self", text: path(object.key))
    writer.field("revision", int: Int(object.revision))
    if let context = object.context { writer.field("context", text: context.name) }
    if let id = object.objectID { writer.field("object_id", int: Int(id)) }
    resource.write(object, &writer)
    writeFacts(about: object, to: &writer)
  }

  private func writeFacts(about object: Object, to writer: inout JSONWriter) {
    guard let facts = object.hardwareDriver?.facts(about: object), !facts.isEmpty else { return }
    writer.key("hardware")
    ObjectEncoder.write(facts, to: &writer)
  }

  /// Writes the registers, which change without a transaction, so that no event shows them. They
  /// are null where the hardware has none for the object, or none yet.
  private func writeRegisters(of object: Object, to writer: inout JSONWriter) {
    guard object is VIOMMU || object is HWQueue else { return }
    let facts = object.hardwareDriver?.registers(of: object)
    writer.field("registers", object: facts) { ObjectEncoder.writeMembers($1, to: &$0) }
  }

  /// Writes what a driver says of an object.
  static func write(_ facts: [DriverFact], to writer: inout JSONWriter) {
    writer.object { writeMembers(facts, to: &$0) }
  }

  private static func writeMembers(_ facts: [DriverFact], to writer: inout JSONWriter) {
    for fact in facts {
      writer.key(fact.name)
      write(fact.value, to: &writer)
    }
  }

  private static func write(_ value: DriverFact.Value, to writer: inout JSONWriter) {
    switch value {
    case .none: writer.null()
    case .bool(let value): writer.bool(value)
    case .int(let value): writer.int(value)
    case .text(let value): writer.text(value)
    case .hex(let value): writer.hex(value)
    case .hexes(let values): writer.array(of: values) { $0.hex($1) }
    case .list(let elements): writer.array(of: elements) { write($1, to: &$0) }
    }
  }

  private func writeHolds(of object: Object, to writer: inout JSONWriter) {
    writer.array(of: PinGraph.sortedByTarget(object.holds)) { writer, pin in
      writer.object { writer in
        writer.reference(to: pin.target.key)
        writer.field("why", text: pin.why)
      }
    }
  }

  /// Writes the members that name the holder of a pin. An open file or a memory mapping has no
  /// name, and bears that of what it holds.
  func writeHolder(of pin: Pin, to writer: inout JSONWriter) {
    writer.field("kind", text: pin.holderKind)
    writer.field("id", text: pin.holder?.name ?? pin.target.name)
  }
}

extension Pin {
  /// The kind of what holds the pin: that of an object, or `file` or `mmap`.
  var holderKind: String {
    if let holder { return holder.kind.rawValue }
    if case .memoryMap = cause { return "mmap" }
    return "file"
  }
}

extension Object {
  /// The driver of the hardware behind the object; nil for an object that has no hardware.
  var hardwareDriver: (any IOMMUDriver)? {
    switch self {
    case let smmu as SMMU: smmu.driver
    case let device as Device: device.smmu.driver
    case let domain as Domain: domain.smmu.driver
    case let viommu as VIOMMU: viommu.smmu.driver
    case let vdev as VDevice: vdev.viommu.smmu.driver
    case let queue as HWQueue: queue.viommu.smmu.driver
    default: nil
    }
  }
}

/// The name of the host that always exists.
let defaultHost = "default"
