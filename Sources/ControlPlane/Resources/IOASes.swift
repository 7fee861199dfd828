// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// `POST /ioas`
public struct IOASRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for one of the server's.
  public var id: String?
  /// The context that the address space is to be in.
  public var context: String
}

extension Resource {
  static let ioases = Resource(
    kind: .ioas, collection: "ioas",
    decode: { reader, scope in
      let id = scope.id(reader)
      return .ioas(IOASRequest(id: id, context: reader.reference("context") ?? defaultContext))
    },
    creation: { object in
      (object as? IOAS).map { .ioas(IOASRequest(id: $0.name, context: $0.owner.name)) }
    },
    write: { object, writer in
      guard let ioas = object as? IOAS else { return }
      writer.field("mappings", int: ioas.areas.count)
    },
    filters: [.value("context", IOAS.self) { $0.owner.name }])
}
