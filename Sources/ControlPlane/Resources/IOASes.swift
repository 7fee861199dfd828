// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The body of `POST /ioas`.
public struct IOASRequest: Equatable, Sendable, Codable {
  /// The name that the client wants; nil for a name of the server's choice.
  public var id: String?
  /// The context that the address space is to be in.
  public var context: String

  init(_ reader: ObjectReader, _ scope: DecodingScope) {
    id = scope.id(reader)
    context = reader.reference("context") ?? defaultContext
  }

  init(_ ioas: IOAS) {
    id = ioas.name
    context = ioas.owner.name
  }
}

extension IOASRequest: ResourceRequest {
  static let kind = ObjectKind.ioas
  static let collection = "ioas"
  static let operationNoun = "IOAS"
  static let filters = [filter("context") { $0.owner.name }]

  var creation: Creation { .ioas(self) }

  static func write(_ ioas: IOAS, to writer: inout JSONWriter) {
    writer.field("mappings", int: ioas.areas.count)
  }
}
