// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The body of `POST /contexts/{id}/mmaps`: which window of the iommufd user space maps, and how.
public struct MemoryMapRequest: Equatable, Sendable, Codable {
  /// The offset of the window in the file, in bytes.
  public var offset: UInt64
  /// The window's length in bytes.
  public var length: UInt64
  /// Whether it is a shared mapping (`MAP_SHARED`).
  public var isShared: Bool
  /// Whether what is mapped could be executed (`PROT_EXEC`).
  public var isExecutable: Bool

  init?(_ reader: ObjectReader) {
    let offset = reader.hex("offset", required: true)
    let length = reader.hex("length", required: true)
    let isShared = reader.bool("shared")
    let isExecutable = reader.bool("executable")
    guard let offset, let length else { return nil }
    self.offset = offset
    self.length = length
    self.isShared = isShared ?? true
    self.isExecutable = isExecutable ?? false
  }
}

/// How windows that user space has mapped are shown.
enum MemoryMapCoding {
  static func writeMembers(of map: MemoryMap, _ number: UInt32, to writer: inout JSONWriter) {
    writer.field("mmap", int: Int(number))
    writer.field("viommu", text: map.viommu.name)
    writer.field("offset", hex: map.offset)
    writer.field("length", hex: map.length)
  }
}
