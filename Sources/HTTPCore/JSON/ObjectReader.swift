// SPDX-License-Identifier: Apache-2.0

/// What a field of a wire type is, as the contract names it.
public struct FieldSpec: Sendable, Equatable {
  /// What a field's value must be, in the words of the OpenAPI document.
  public enum Kind: String, Sendable {
    case identifier, reference, text, bool, int, hex, choice, array, object
  }

  /// The field's name.
  public let name: String
  /// What its value must be.
  public let kind: Kind
  /// Whether it must be there.
  public let isRequired: Bool
}

/// Reads the members of one JSON object, field by field, and collects all that is wrong.
///
/// A reader never throws in the middle: a field that is missing or wrong yields a stand-in, and
/// `finish` reports every fault at once, unknown and repeated members among them. The names that
/// were asked for are the schema of the wire type; a reader made by `recording` over nothing
/// lists them, which is how the tests hold them against the OpenAPI document.
public final class ObjectReader {
  /// No body is worth more faults than this.
  public static let faultLimit = 100

  private let value: JSONValue?
  private let pointer: String
  private var known: [Int] = []
  /// What was found to be wrong so far.
  public private(set) var faults: [Problem.Fault] = []
  private let isRecording: Bool
  /// The fields that were asked for so far.
  public private(set) var fields: [FieldSpec] = []
  /// The recording readers of the objects inside, by their members' names.
  public private(set) var recordedObjects: [String: ObjectReader] = [:]

  /// - Parameters:
  ///   - value: what should be an object.
  ///   - pointer: where it is in the body, a JSON Pointer.
  public init(_ value: JSONValue, at pointer: String = "") {
    self.pointer = pointer
    isRecording = false
    if value.kind == .object {
      self.value = value
    } else {
      self.value = nil
      fault(.invalidField, "", "expected an object, got \(value.kind.noun)")
    }
  }

  private init() {
    value = nil
    pointer = ""
    isRecording = true
  }

  /// A reader that reads nothing and notes which fields are asked for.
  public static func recording() -> ObjectReader { ObjectReader() }

  /// Parses a body that should be one object.
  public static func body(_ bytes: [UInt8], depthLimit: Int) throws(Problem) -> ObjectReader {
    do throws(JSONParser.Failure) {
      return ObjectReader(try JSONParser.parse(bytes, depthLimit: depthLimit).root)
    } catch {
      throw Problem(.malformedJSON, "at byte \(error.offset): \(error.reason)")
    }
  }

  // MARK: Outcome

  /// - Throws: all faults of the object as one problem.
  public func finish() throws(Problem) {
    collectStrays()
    if !faults.isEmpty { throw Problem(faults: faults) }
  }

  /// - Parameter place: a field, or a place in it as `ste/1`; empty for the object as a whole.
  public func fault(_ code: Problem.Code, _ place: String, _ detail: String) {
    add(.init(code, at: place.isEmpty ? pointer : pointer + "/" + place, detail))
  }

  private func add(_ fault: Problem.Fault) {
    if faults.count < ObjectReader.faultLimit { faults.append(fault) }
  }

  /// Takes over the faults of an object inside this one.
  public func adopt(_ inner: ObjectReader) {
    inner.collectStrays()
    for fault in inner.faults where faults.count < ObjectReader.faultLimit {
      faults.append(fault)
    }
  }

  /// Where a member is in the body, a JSON Pointer.
  public func path(_ name: String) -> String {
    pointer + "/" + ObjectReader.escaped(name)
  }

  /// A member's name as a JSON Pointer has it.
  public static func escaped(_ name: String) -> String {
    guard name.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else {
      return name
    }
    return name.reduce(into: "") { result, character in
      switch character {
      case "~": result += "~0"
      case "/": result += "~1"
      default: result.append(character)
      }
    }
  }

  private func collectStrays() {
    guard let value else { return }
    for member in value.members where !known.contains(member.value.index) {
      // A body can have a million strays; the rest of them is not worth looking at.
      if faults.count >= ObjectReader.faultLimit { return }
      if value.document.nodes[member.value.index - 1].isRepeated {
        add(.init(.invalidField, at: path(member.name), "the member is there twice"))
      } else {
        add(.init(.unknownField, at: path(member.name), "unknown field"))
      }
    }
  }

  // MARK: Fields

  /// The value of a member that is there and not null.
  private func take(_ name: String, _ kind: FieldSpec.Kind, required: Bool) -> JSONValue? {
    if isRecording { fields.append(FieldSpec(name: name, kind: kind, isRequired: required)) }
    guard let value else { return nil }
    guard let member = value.member(name) else {
      if required { fault(.invalidField, name, "required field is missing") }
      return nil
    }
    known.append(member.index)
    if member.kind == .null {
      if required { fault(.invalidField, name, "may not be null") }
      return nil
    }
    return member
  }

  private func mismatch(_ name: String, _ expected: String, _ value: JSONValue) {
    fault(.invalidField, name, "expected \(expected), got \(value.kind.noun)")
  }

  /// The text of a field; nil where it is missing, null, or wrong, which is noted.
  public func text(
    _ name: String, required: Bool = false, limit: Int = 256, as kind: FieldSpec.Kind = .text
  ) -> String? {
    guard let value = take(name, kind, required: required) else { return nil }
    guard let text = value.string else {
      mismatch(name, "a string", value)
      return nil
    }
    guard text.utf8.count <= limit else {
      fault(.invalidField, name, "longer than \(limit) bytes")
      return nil
    }
    return text
  }

  /// An identifier (`Identifier.isValid`), of the object itself or of one it refers to.
  public func identifier(
    _ name: String, required: Bool = false, as kind: FieldSpec.Kind = .identifier
  ) -> String? {
    guard let text = text(name, required: required, as: kind) else { return nil }
    guard Identifier.isValid(text.utf8) else {
      fault(.invalidField, name, Identifier.rule)
      return nil
    }
    return text
  }

  /// The name of another object; nil where it is missing, null, or wrong, which is noted.
  public func reference(_ name: String, required: Bool = false) -> String? {
    identifier(name, required: required, as: .reference)
  }

  /// A truth value; nil where it is missing, null, or wrong, which is noted.
  public func bool(_ name: String) -> Bool? {
    guard let value = take(name, .bool, required: false) else { return nil }
    if value.bool == nil { mismatch(name, "a boolean", value) }
    return value.bool
  }

  /// An integer of a range; nil where it is missing, null, or wrong, which is noted.
  public func int(_ name: String, required: Bool = false, in range: ClosedRange<Int>) -> Int? {
    guard let value = take(name, .int, required: required) else { return nil }
    guard value.kind == .number, let number = JSONNumber.int(value.rawScalar) else {
      if value.kind == .number {
        fault(
          .invalidField, name, "expected an integer of \(range.lowerBound) to \(range.upperBound)")
      } else {
        mismatch(name, "an integer", value)
      }
      return nil
    }
    guard range.contains(number) else {
      fault(.invalidField, name, "must be \(range.lowerBound) to \(range.upperBound)")
      return nil
    }
    return number
  }

  /// What a 64-bit quantity looks like, for those who read one by themselves.
  public static var quantityRule: String { JSONNumber.quantityRule }

  /// A 64-bit quantity: a hex string or an integer.
  public func hex(_ name: String, required: Bool = false) -> UInt64? {
    guard let value = take(name, .hex, required: required) else { return nil }
    guard let number = JSONNumber.quantity(value) else {
      fault(.invalidField, name, JSONNumber.quantityRule)
      return nil
    }
    return number
  }

  /// An array of 64-bit quantities.
  public func hexArray(
    _ name: String, required: Bool = false, count: ClosedRange<Int>
  ) -> [UInt64]? {
    guard let elements = array(name, required: required, count: count) else { return nil }
    var result: [UInt64] = []
    for (position, element) in elements.enumerated() {
      guard let number = JSONNumber.quantity(element) else {
        fault(.invalidField, "\(name)/\(position)", JSONNumber.quantityRule)
        continue
      }
      result.append(number)
    }
    return result.count == elements.count ? result : nil
  }

  /// One of the raw values of an enumeration.
  public func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, required: Bool = false, of type: Choice.Type
  ) -> Choice? where Choice.RawValue == String {
    guard let text = text(name, required: required, as: .choice) else { return nil }
    guard let choice = Choice(rawValue: text) else {
      let all = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      fault(.invalidField, name, "must be one of \(all)")
      return nil
    }
    return choice
  }

  /// The elements of an array; nil where it is missing, null, or wrong, which is noted.
  ///
  /// - Parameter count: how many elements there may be.
  public func array(
    _ name: String, required: Bool = false, count: ClosedRange<Int>
  ) -> [JSONValue]? {
    guard let value = take(name, .array, required: required) else { return nil }
    guard value.kind == .array else {
      mismatch(name, "an array", value)
      return nil
    }
    guard count.contains(value.elementCount) else {
      fault(
        .invalidField, name, "must have \(count.lowerBound) to \(count.upperBound) elements")
      return nil
    }
    return value.elements
  }

  /// A reader for an object inside; the caller hands it back to `adopt`.
  public func object(_ name: String, required: Bool = false) -> ObjectReader? {
    guard let value = take(name, .object, required: required) else {
      if isRecording { recordedObjects[name] = .recording() }
      return recordedObjects[name]
    }
    return ObjectReader(value, at: path(name))
  }

  /// Any value, unread; for those who forward it.
  public func any(_ name: String, required: Bool = false) -> JSONValue? {
    take(name, .object, required: required)
  }

  /// Whether a member is there, be it null.
  public func has(_ name: String) -> Bool { value?.member(name) != nil }

  /// Whether a member is not there, or null, which is the same for a field that may be left out.
  public func lacks(_ name: String) -> Bool {
    value?.member(name).map { $0.kind == .null } ?? true
  }

  /// The pointer of an element of an array in this object.
  public func pointer(_ name: String, _ position: Int) -> String { path(name) + "/\(position)" }
}

/// The names of objects.
public enum Identifier {
  /// The longest name, in bytes.
  public static let limit = 63
  /// What a text that is no name is told.
  public static let rule =
    "an identifier has 1 to 63 characters, a-z 0-9 . _ -, and begins with a letter or digit"

  /// `[a-z0-9][a-z0-9._-]{0,62}`
  public static func isValid(_ text: some Collection<UInt8>) -> Bool {
    guard let first = text.first, text.count <= limit, isAlphanumeric(first) else { return false }
    return text.allSatisfy { byte in
      isAlphanumeric(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
        || byte == UInt8(ascii: "-")
    }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
      || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }
}
