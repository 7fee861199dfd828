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
    /// What the values of a filter look like. One that no object can have is an error: whoever
    /// asks for it would take an empty listing for an answer.
    enum Form: Sendable {
      case identifier
      case oneOf([String])
      case int
      case hex
      /// A name of a type, or the number of one that has none.
      case veventType

      /// A value in the spelling that it is compared in; nil for one that is none.
      func canonical(_ text: String) -> String? {
        switch self {
        case .identifier: Identifier.isValid(text.utf8) ? text : nil
        case .oneOf(let values): values.contains(text) ? text : nil
        case .int: Decimal.parse(text.utf8).flatMap { UInt32(exactly: $0) }.map { String($0) }
        case .hex: HexText.parse(text).map { HexText.of($0) }
        case .veventType: VEventQueueType(nameOrNumber: text)?.name
        }
      }

      var rule: String {
        switch self {
        case .identifier: Identifier.rule
        case .oneOf(let values): "must be one of " + values.joined(separator: ", ")
        case .int: "must be an integer of 0 to \(UInt32.max)"
        case .hex: "must be 0x and 1 to 16 hex digits"
        case .veventType: VEventQueueType.rule(isOpen: true)
        }
      }
    }

    let name: String
    let form: Form
    let matches: @Sendable (Object, String) -> Bool

    /// A filter by a member with one value.
    static func value<Wanted: Object>(
      _ name: String, _ type: Wanted.Type, _ form: Form = .identifier,
      _ value: @escaping @Sendable (Wanted) -> String?
    ) -> Filter {
      Filter(name: name, form: form) { object, wanted in
        (object as? Wanted).flatMap(value) == wanted
      }
    }

    /// A filter by a member that is one of an enumeration's.
    static func choice<Wanted: Object, Choice: RawRepresentable & CaseIterable & Sendable>(
      _ name: String, _ type: Wanted.Type, _ value: @escaping @Sendable (Wanted) -> Choice
    ) -> Filter where Choice.RawValue == String {
      .value(name, type, .oneOf(Choice.allCases.map(\.rawValue))) { value($0).rawValue }
    }
  }

  static let all: [Resource] = [
    smmus, contexts, devices, ioases, domains, viommus, vdevs, hwQueues, veventqs, faultQueues,
    accesses,
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
