// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// `POST /contexts`
public struct ContextRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for one of the server's.
  public var id: String?

  /// Puts a request together.
  public init(id: String?) { self.id = id }
}

extension Resource {
  static let contexts = Resource(
    kind: .context, collection: "contexts",
    decode: { reader, scope in .context(ContextRequest(id: scope.id(reader))) },
    creation: { .context(ContextRequest(id: $0.name)) },
    write: { object, writer in
      guard let context = object as? Context else { return }
      writer.key("tombstones")
      writer.array(of: context.tombstones.sorted()) { $0.int(Int($1)) }
      writer.field(
        "file", text: (context.isFileOpen ? EventFileMode.open : .closed).rawValue)
      writer.key("mmaps")
      let maps = context.memoryMaps.sorted { $0.key < $1.key }
      writer.array(of: maps) { writer, entry in
        writer.object { MemoryMapCoding.writeMembers(of: entry.value, entry.key, to: &$0) }
      }
    },
    filters: [])
}
