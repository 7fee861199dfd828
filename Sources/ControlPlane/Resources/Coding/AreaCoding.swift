// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// How mappings are read and shown.
enum AreaCoding {
  static func writeMembers(of area: Area, to writer: inout JSONWriter) {
    writer.field("iova", hex: area.iova)
    writer.field("length", hex: area.length)
    writer.field("physical", hex: area.physical)
    writer.field("readable", bool: area.isReadable)
    writer.field("writable", bool: area.isWritable)
  }

  /// Reads a range of addresses, which must have a beginning and a length.
  static func decodeRange(
    _ reader: ObjectReader, from name: String = "iova"
  ) -> (start: UInt64, length: UInt64)? {
    let start = reader.hex(name, required: true)
    let length = reader.hex("length", required: true)
    guard let start, let length else { return nil }
    return (start, length)
  }

  /// Reads the body of `POST /ioas/{id}/map`.
  static func decodeMap(_ reader: ObjectReader) -> MapRequest? {
    let iova = reader.hex("iova")
    let length = reader.hex("length", required: true)
    let physical = reader.hex("physical")
    let isReadable = reader.bool("readable")
    let isWritable = reader.bool("writable")
    guard let length else { return nil }
    return MapRequest(
      iova: iova, length: length, isReadable: isReadable ?? true, isWritable: isWritable ?? true,
      physical: physical)
  }
}
