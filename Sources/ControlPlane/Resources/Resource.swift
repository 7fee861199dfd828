// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// A collection of the API: how its objects are asked for, made, found and shown.
///
/// There is one value for each collection, in a file with its wire types; whatever is common to
/// all collections is written once, over these.
struct Resource: Sendable {
  let kind: ObjectKind
  /// The collection's name in paths.
  let collection: String
  /// Reads a creation's body. Faults are left in the reader, and nil is returned for them.
  let decode: @Sendable (ObjectReader, DecodingScope) -> Creation?
  /// The creation that would make the object again as it is.
  let creation: @Sendable (Object) -> Creation?
  /// Writes the members that are the kind's own.
  let write: @Sendable (Object, inout JSONWriter) -> Void
  /// What a listing can be filtered by.
  let filters: [Filter]

  struct Filter: Sendable {
    let name: String
    let matches: @Sendable (Object, String) -> Bool

    init(_ name: String, _ matches: @escaping @Sendable (Object, String) -> Bool) {
      self.name = name
      self.matches = matches
    }

    /// A filter by a member with one value.
    static func value<Wanted: Object>(
      _ name: String, _ type: Wanted.Type, _ value: @escaping @Sendable (Wanted) -> String?
    ) -> Filter {
      Filter(name) { object, wanted in
        (object as? Wanted).flatMap(value) == wanted
      }
    }
  }

  static let all: [Resource] = [
    smmus, contexts, devices, ioases, domains, viommus, vdevs, hwQueues, veventqs, faultQueues,
  ]

  private static let byKind: [Resource] = ObjectKind.allCases.map { kind in
    all.first { $0.kind == kind } ?? smmus
  }

  static func of(_ kind: ObjectKind) -> Resource {
    byKind[ObjectKind.allCases.firstIndex(of: kind) ?? 0]
  }
}

/// What decoding a creation needs besides the body.
struct DecodingScope: Sendable {
  /// The identifier in the path of a PUT, which the body may repeat.
  var pathID: String?
  var models: [any SMMUModel]

  /// The name that a creation asks for, from the path or from the body.
  func id(_ reader: ObjectReader) -> String? {
    let named = reader.identifier("id")
    guard let pathID else { return named }
    if let named, named != pathID {
      reader.fault(.invalidField, "id", "is not the identifier in the path, \(pathID)")
    }
    return pathID
  }
}

/// The context of objects that name none.
let defaultContext = "default"
