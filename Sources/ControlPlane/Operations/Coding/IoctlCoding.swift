// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// How system calls on an iommufd are read and answered, `POST /contexts/{id}/ioctl`.
enum IoctlCoding {
  private static let segmentLimit = 1024

  static func decode(_ reader: ObjectReader) -> IoctlRequest? {
    let number = reader.hex("number", required: true)
    if let number, number > UInt32.max { reader.fault(.invalidField, "number", "has 32 bits") }
    let argument = reader.bytes("argument")
    let name = reader.identifier("id")
    let segments = reader.objects("memory", count: 0...segmentLimit) { inner, _ in segment(inner) }
    return number.map { number in
      IoctlRequest(
        number: UInt32(truncatingIfNeeded: number), argument: argument,
        memory: UserMemory(segments ?? []), name: name)
    }
  }

  private static func segment(_ reader: ObjectReader) -> UserMemory.Segment? {
    let address = reader.hex("address", required: true)
    let bytes = reader.bytes("bytes", required: true)
    guard let address, let bytes else { return nil }
    return UserMemory.Segment(address: address, bytes: bytes)
  }

  /// A refusal, with the place in the body that it is about. The fields of a command's struct are
  /// all in `argument`.
  static func placed(_ refusal: Refusal) -> Refusal {
    guard let field = refusal.field, field != "number", field != "argument" else { return refusal }
    // `id` is the only other field. It names what the call makes, and all that can be wrong with it
    // is that the name is taken.
    if field == "id", refusal.errno == .EEXIST { return refusal }
    return Refusal(
      refusal.errno, refusal.reason, field: "argument", "\(field): \(refusal.detail)",
      object: refusal.object)
  }

  static func write(_ result: IoctlResult, _ encoder: ObjectEncoder, to writer: inout JSONWriter) {
    writer.field("argument", text: HexBytes.text(of: result.argument))
    writer.key("memory")
    writer.array(of: result.memory.segments) { writer, segment in
      writer.object { writer in
        writer.field("address", hex: segment.address)
        writer.field("bytes", text: HexBytes.text(of: segment.bytes))
      }
    }
    writer.field("created", object: result.created) { writer, key in
      writer.reference(to: key)
      writer.field("self", text: encoder.path(key))
    }
  }
}
