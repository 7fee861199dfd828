// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUHardware

/// How commands of an SMMU are read from JSON and written as JSON: as two words, and decoded into a
/// name and fields.
enum CommandCoding {
  /// Writes the members of a command: `words`, `name` and `fields`.
  static func writeMembers(of words: [UInt64], to writer: inout JSONWriter) {
    let command = Command(dw0: words.first ?? 0, dw1: words.count > 1 ? words[1] : 0)
    let description = command.description
    writer.key("words")
    writer.array(of: command.words) { $0.hex($1) }
    writer.field("name", text: description.name)
    writer.key("fields")
    writer.object { writer in
      for field in description.fields { writer.field(field.name, hex: field.value) }
    }
  }

  /// Reads a command, which is an array of two words, or an object that has `words`, or one that
  /// has `name` and `fields`.
  ///
  /// - Parameters:
  ///   - reader: the reader of the object that has the array.
  ///   - name: the name of the array.
  ///   - position: the position of the command in the array.
  static func decode(
    _ value: JSONValue, _ reader: ObjectReader, _ name: String, _ position: Int
  ) -> [UInt64]? {
    if value.kind == .array { return decodeWords(value, reader, "\(name)/\(position)") }
    let inner = ObjectReader(value, at: reader.pointer(name, position))
    let result = decode(inner)
    reader.adopt(inner)
    return result
  }

  static func decode(_ reader: ObjectReader) -> [UInt64]? {
    let words = reader.hexArray("words", count: 2...2)
    let name = reader.text("name")
    let fields = reader.any("fields")
    if let words, name == nil, fields == nil { return words }
    guard words == nil, let name else {
      if reader.faults.isEmpty {
        reader.fault(.invalidField, "name", "a command is said by words, or by name and fields")
      }
      return nil
    }
    if let fields, fields.kind != .object {
      reader.fault(.invalidField, "fields", "expected an object, got \(fields.kind.noun)")
      return nil
    }
    var description = CommandDescription(name: name, fields: [])
    let known = fieldNames(of: name)
    for member in fields?.members ?? [] {
      // Null is the same as leaving a field out, even where the command has no such field.
      if member.value.kind == .null, allFieldNames.contains(member.name) { continue }
      let place = "fields/" + ObjectReader.escaped(member.name)
      if let known, !known.contains(member.name) {
        reader.fault(.unknownField, place, "the command has no such field")
      } else if let value = member.value.quantity {
        description.fields.append(.init(member.name, value))
      } else {
        reader.fault(.invalidField, place, ObjectReader.quantityRule)
      }
    }
    return encode(description, reader)
  }

  private static let unnamedFields = ["dw0", "dw1"]
  private static let reservedFields = ["reserved0", "reserved1"]
  private static let allFieldNames = Set(
    CommandLayout.all.flatMap { $0.fields.map(\.name) } + unnamedFields + reservedFields)

  /// The names of the fields that a command can have; nil when there is no command of that name.
  private static func fieldNames(of name: String) -> [String]? {
    if name == CommandDescription.unknownName { return unnamedFields }
    return CommandLayout.all.first { $0.name == name }.map { layout in
      layout.fields.map(\.name) + reservedFields
    }
  }

  private static func encode(
    _ description: CommandDescription, _ reader: ObjectReader
  ) -> [UInt64]? {
    do throws(CommandDescriptionError) {
      return try Command(description).words
    } catch {
      switch error {
      case .unknownName:
        let all = CommandLayout.all.map(\.name).joined(separator: ", ")
        reader.fault(.invalidField, "name", "must be one of \(all)")
      case .unexpectedField(let name):
        reader.fault(.invalidField, "fields/\(name)", "the member is there twice")
      case .valueTooWide(let name):
        reader.fault(.invalidField, "fields/\(name)", "the value does not fit into the field")
      }
      return nil
    }
  }

  private static func decodeWords(
    _ value: JSONValue, _ reader: ObjectReader, _ place: String
  ) -> [UInt64]? {
    let words = value.elements.compactMap(\.quantity)
    if words.count == 2, value.elementCount == 2 { return words }
    reader.fault(.invalidField, place, "a command has two words of 64 bits")
    return nil
  }
}
