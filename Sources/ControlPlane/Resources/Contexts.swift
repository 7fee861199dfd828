// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The body of `POST /contexts`.
public struct ContextRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?

  /// Puts a request together.
  public init(id: String?) { self.id = id }

  init(_ reader: ObjectReader, _ scope: DecodingScope) { id = scope.id(reader) }

  init(_ context: Context) { id = context.name }
}

extension ContextRequest: ResourceRequest {
  static let kind = ObjectKind.context
  static let collection = "contexts"
  static let operationNoun = "Context"
  static let filters: [Resource.Filter] = []

  var creation: Creation { .context(self) }

  static func write(_ context: Context, to writer: inout JSONWriter) {
    writer.key("tombstones")
    writer.array(of: context.tombstones.sorted()) { $0.int(Int($1)) }
    writer.field("file", text: EventFileMode(isOpen: context.isFileOpen).rawValue)
    writer.key("mmaps")
    let maps = context.memoryMaps.sorted { $0.key < $1.key }
    writer.array(of: maps) { writer, entry in
      writer.object { MemoryMapCoding.writeMembers(of: entry.value, entry.key, to: &$0) }
    }
  }
}
