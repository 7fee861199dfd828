// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The body of `POST /accesses`.
public struct AccessRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?
  /// The address space that it accesses.
  public var ioas: String
  /// Whether it can pin pages. An access that can needs mappings of whole pages.
  public var pinsPages: Bool

  init?(_ reader: ObjectReader, _ scope: DecodingScope) {
    let id = scope.id(reader)
    let ioas = reader.reference("ioas", required: true)
    let pinsPages = reader.bool("pin")
    guard let ioas else { return nil }
    self.id = id
    self.ioas = ioas
    self.pinsPages = pinsPages ?? true
  }

  init(_ access: Access) {
    id = access.name
    ioas = access.ioas.name
    pinsPages = access.pinsPages
  }
}

extension AccessRequest: ResourceRequest {
  static let kind = ObjectKind.access
  static let collection = "accesses"
  static let operationNoun = "Access"
  static let filters = [
    filter("context") { $0.owner.name },
    filter("ioas") { $0.ioas.name },
  ]

  var creation: Creation { .access(self) }

  static func write(_ access: Access, to writer: inout JSONWriter) {
    writer.field("ioas", text: access.ioas.name)
    writer.field("pin", bool: access.pinsPages)
    writer.key("pinned")
    let shown = access.pinned.page(behind: nil, limit: PinGraph.listLimit)
    writer.array(of: shown) { write($1, to: &$0) }
    writer.field("pinned_count", int: access.pinned.count)
  }

  static func write(_ entry: PinnedRanges.Entry, to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("pin", int: Int(entry.number))
      writer.field("iova", hex: entry.range.iova)
      writer.field("length", hex: entry.range.length)
    }
  }
}
