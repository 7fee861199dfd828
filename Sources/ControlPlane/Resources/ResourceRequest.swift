// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// What a client sends to make an object of one kind, and all else that the kind's collection
/// needs to know of it.
///
/// There is one type for each kind, in a file of its own. `Resource` is the same without the type,
/// for the code that is common to all collections.
protocol ResourceRequest: Sendable {
  /// The objects that are made.
  associatedtype Made: Object

  static var kind: ObjectKind { get }
  /// The collection's name in paths.
  static var collection: String { get }
  /// The kind's name in the operation IDs of the OpenAPI document, as in `createHWQueue`.
  static var operationNoun: String { get }
  /// Whether what is shown changes without a transaction, as queues and registers do. No answer
  /// for such an object is kept, because its revision does not tell whether it is still right.
  static var changesSilently: Bool { get }
  /// What a listing can be filtered by.
  static var filters: [Resource.Filter] { get }

  /// Reads the body of a creation. What is wrong with it is left in the reader, and nil returned.
  init?(_ reader: ObjectReader, _ scope: DecodingScope)

  /// The request that would make the object again as it is.
  init(_ made: Made)

  /// The request among those of all kinds.
  var creation: Creation { get }

  /// Writes the members that objects of this kind have and others have not.
  static func write(_ made: Made, to writer: inout JSONWriter)
}

extension ResourceRequest {
  static var changesSilently: Bool { false }

  /// A filter by a member of one value; an object for which `value` is nil is never listed.
  static func filter(
    _ name: String, _ form: Resource.Filter.Form = .identifier,
    _ value: @escaping @Sendable (Made) -> String?
  ) -> Resource.Filter {
    Resource.Filter(name: name, form: form) { object, wanted in
      (object as? Made).flatMap(value) == wanted
    }
  }

  /// A filter by a member that is one of an enumeration's.
  static func filter<Choice: RawRepresentable & CaseIterable & Sendable>(
    _ name: String, oneOf value: @escaping @Sendable (Made) -> Choice
  ) -> Resource.Filter where Choice.RawValue == String {
    filter(name, .oneOf(Choice.allCases.map(\.rawValue))) { value($0).rawValue }
  }
}

/// What decoding a creation needs besides the body.
struct DecodingScope: Sendable {
  /// The identifier in the path of a PUT, which the body may repeat.
  var pathID: String?
  /// The models of SMMUs that there are; the first is taken where the body names none.
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
