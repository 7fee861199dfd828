// SPDX-License-Identifier: Apache-2.0

/// What a reader asks of one field of a request's body. The tests compare it with the OpenAPI
/// document.
public struct FieldSpec: Sendable, Equatable {
  /// What the value of a field must be.
  public enum Kind: String, Sendable {
    case identifier, reference, text, bool, int, hex, choice, array, object
  }

  /// The field's name.
  public let name: String
  /// What the field's value must be.
  public let kind: Kind
  /// Whether the field must be there and not be null.
  public let isRequired: Bool
}

/// Reads the members of one JSON object, field by field, and collects everything that is wrong
/// with them.
///
/// A client is told of all mistakes of a body at once. So a field that is missing or wrong is
/// noted as a fault and reads as nil, and the caller goes on with the next one. `finish` then
/// throws the faults together, with those of members that nobody asked for or that are there
/// twice.
///
/// The fields that were asked for are the schema of the body. A reader that `recording` makes reads
/// nothing and keeps a list of them, which the tests compare with the OpenAPI document.
public final class ObjectReader {
  /// How many faults are reported at most. A large body could have millions, which nobody would
  /// read.
  public static let faultLimit = 100

  private let value: JSONValue?
  private let pointer: String
  private var known: [Int] = []
  /// The faults that have been found so far, at most `faultLimit`.
  public private(set) var faults: [Problem.Fault] = []
  private let isRecording: Bool
  /// The fields that have been asked for so far; empty unless `recording` made the reader.
  public private(set) var fields: [FieldSpec] = []
  /// The readers of the objects inside, by the names of their members; empty unless `recording`
  /// made the reader.
  public private(set) var recordedObjects: [String: ObjectReader] = [:]

  /// Begins to read a value. If it is no object, that is the first fault.
  ///
  /// - Parameters:
  ///   - value: the value, which should be an object.
  ///   - pointer: where the value is in the body, as a JSON Pointer (RFC 6901).
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

  /// Makes a reader that has nothing to read, and that lists the fields which it is asked for.
  public static func recording() -> ObjectReader { ObjectReader() }

  /// Parses a body, which should be one object, and begins to read it.
  ///
  /// - Parameter depthLimit: how many arrays and objects may be open at once.
  /// - Throws: `malformed_json` for a body that is not JSON or is nested more deeply.
  public static func body(_ bytes: [UInt8], depthLimit: Int) throws(Problem) -> ObjectReader {
    do throws(JSONParser.Failure) {
      return ObjectReader(try JSONParser.parse(bytes, depthLimit: depthLimit).root)
    } catch {
      throw Problem(.malformedJSON, "at byte \(error.offset): \(error.reason)")
    }
  }

  // MARK: Outcome

  /// Ends the reading, once every field has been asked for.
  ///
  /// Members that were not asked for are faults, and so are members whose names occur twice.
  ///
  /// - Throws: a problem that has all faults; nothing when there are none.
  public func finish() throws(Problem) {
    collectStrays()
    if !faults.isEmpty { throw Problem(faults: faults) }
  }

  /// Notes a fault that the caller has found.
  ///
  /// - Parameter place: the name of a field, or a place in it such as `ste/1`; empty for the object
  ///   as a whole.
  public func fault(_ code: Problem.Code, _ place: String, _ detail: String) {
    add(.init(code, at: place.isEmpty ? pointer : pointer + "/" + place, detail))
  }

  private func add(_ fault: Problem.Fault) {
    if faults.count < ObjectReader.faultLimit { faults.append(fault) }
  }

  /// Takes over the faults of an object inside this one, when its fields have been asked for.
  public func adopt(_ inner: ObjectReader) {
    inner.collectStrays()
    for fault in inner.faults where faults.count < ObjectReader.faultLimit {
      faults.append(fault)
    }
  }

  /// Where a member is in the body, as a JSON Pointer (RFC 6901).
  public func path(_ name: String) -> String {
    pointer + "/" + ObjectReader.escaped(name)
  }

  /// A member's name as it is spelled in a JSON Pointer: `~` is `~0` and `/` is `~1` (RFC 6901,
  /// section 3).
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

  /// Notes the members that nobody has asked for, and those that are there twice.
  private func collectStrays() {
    guard let value else { return }
    for member in value.members where !known.contains(member.value.index) {
      // No further fault would be reported, and a body can have a million such members.
      if faults.count >= ObjectReader.faultLimit { return }
      if value.document.nodes[member.value.index - 1].isRepeated {
        add(.init(.invalidField, at: path(member.name), "the member is there twice"))
      } else {
        add(.init(.unknownField, at: path(member.name), "unknown field"))
      }
    }
  }

  // MARK: Fields

  /// The value of a member; nil where it is missing or null, which is a fault if it is required.
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

  /// Reads a field that is a string.
  ///
  /// - Parameters:
  ///   - limit: how many bytes the string may have in UTF-8.
  ///   - kind: what `fields` says of the field.
  /// - Returns: nil where the field is missing, null or wrong. A wrong one is a fault, and so is
  ///   one that is required and missing or null.
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

  /// Reads a field that is the name of an object, as `Identifier.isValid` defines it.
  ///
  /// - Parameter kind: what `fields` says of the field.
  /// - Returns: nil where the field is missing, null or wrong; faults are noted as by `text`.
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

  /// Reads a field that is the name of another object. Whether there is such an object is not
  /// looked at here.
  ///
  /// - Returns: nil where the field is missing, null or wrong; faults are noted as by `text`.
  public func reference(_ name: String, required: Bool = false) -> String? {
    identifier(name, required: required, as: .reference)
  }

  /// Reads a field that is a boolean and may be left out.
  ///
  /// - Returns: nil where the field is missing, null or wrong; a wrong one is a fault.
  public func bool(_ name: String) -> Bool? {
    guard let value = take(name, .bool, required: false) else { return nil }
    if value.bool == nil { mismatch(name, "a boolean", value) }
    return value.bool
  }

  /// Reads a field that is an integer.
  ///
  /// - Parameter range: the values that are allowed.
  /// - Returns: nil where the field is missing, null or wrong; faults are noted as by `text`.
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

  /// What a client is told whose value is no 64-bit quantity, for callers that read one by
  /// `JSONValue.quantity`.
  public static var quantityRule: String { JSONNumber.quantityRule }

  /// Reads a field that is a 64-bit quantity: a string of `0x` and 1 to 16 hex digits, or a
  /// non-negative integer.
  ///
  /// - Returns: nil where the field is missing, null or wrong; faults are noted as by `text`.
  public func hex(_ name: String, required: Bool = false) -> UInt64? {
    guard let value = take(name, .hex, required: required) else { return nil }
    guard let number = JSONNumber.quantity(value) else {
      fault(.invalidField, name, JSONNumber.quantityRule)
      return nil
    }
    return number
  }

  /// Reads a field that is an array of 64-bit quantities.
  ///
  /// - Parameter count: how many elements the array may have.
  /// - Returns: nil where the field is missing or null, or where it or any of its elements is
  ///   wrong. Each wrong element is a fault of its own.
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

  /// Reads a field that is one of the raw values of an enumeration.
  ///
  /// - Returns: nil where the field is missing, null or wrong; faults are noted as by `text`.
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

  /// Reads a field that is an array.
  ///
  /// - Parameter count: how many elements the array may have.
  /// - Returns: its elements; nil where the field is missing, null or wrong. Faults are noted as by
  ///   `text`.
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

  /// Reads a field that is an object.
  ///
  /// - Returns: a reader for the object, which the caller has to hand to `adopt` when it has read
  ///   its fields; nil where the field is missing or null.
  public func object(_ name: String, required: Bool = false) -> ObjectReader? {
    guard let value = take(name, .object, required: required) else {
      if isRecording { recordedObjects[name] = .recording() }
      return recordedObjects[name]
    }
    return ObjectReader(value, at: path(name))
  }

  /// The value of a field of any kind, for callers that read it by themselves or pass it on.
  ///
  /// - Returns: nil where the field is missing or null, which is a fault if it is required.
  public func any(_ name: String, required: Bool = false) -> JSONValue? {
    take(name, .object, required: required)
  }

  /// Whether the object has a member with this name, even if its value is null.
  public func has(_ name: String) -> Bool { value?.member(name) != nil }

  /// Whether the object has no member with this name, or one that is null. For a field that may be
  /// left out the two mean the same.
  public func lacks(_ name: String) -> Bool {
    value?.member(name).map { $0.kind == .null } ?? true
  }

  /// Where an element of an array in this object is in the body, as a JSON Pointer (RFC 6901).
  public func pointer(_ name: String, _ position: Int) -> String { path(name) + "/\(position)" }
}

/// The rule for the names of objects.
public enum Identifier {
  /// The longest name, in bytes.
  public static let limit = 63
  /// The rule in words, for a client whose text is no name.
  public static let rule =
    "an identifier has 1 to 63 characters, a-z 0-9 . _ -, and begins with a letter or digit"

  /// Whether a text matches `[a-z0-9][a-z0-9._-]{0,62}`.
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
