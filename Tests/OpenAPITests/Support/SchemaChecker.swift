// SPDX-License-Identifier: Apache-2.0

/// Holds values against schemas, as far as the document uses JSON Schema 2020-12, and notes which
/// properties it has met.
///
/// A keyword that it does not know is an error, so that a schema never says more than is checked.
final class SchemaChecker {
  /// Properties that were there in a value, by the schema object that declares them.
  private(set) var met: Set<String> = []

  private static let annotations: Set<String> = [
    "description", "default", "example", "examples", "discriminator", "x-codes", "format",
  ]

  /// What is wrong with a value; empty for one that fits.
  func errors(_ value: JSONTree, _ schema: JSONTree, at place: String = "") -> [String] {
    check(value, schema, place, name: "").errors
  }

  struct Outcome {
    var errors: [String] = []
    /// The members that some schema has had a say in.
    var evaluated: Set<String> = []
    var met: Set<String> = []

    mutating func add(_ other: Outcome) {
      errors += other.errors
      evaluated.formUnion(other.evaluated)
      met.formUnion(other.met)
    }
  }

  private func check(
    _ value: JSONTree, _ schema: JSONTree, _ place: String, name: String, isTrial: Bool = false
  ) -> Outcome {
    var outcome = Outcome()
    if schema == .bool(false) { outcome.errors.append("\(place): may not be there") }
    if let target = schema["$ref"]?.string {
      let component = String(target.split(separator: "/").last ?? "")
      outcome.add(check(value, Document.resolve(schema), place, name: component, isTrial: true))
    }
    outcome.errors += scalarErrors(value, schema, place)
    for part in schema["allOf"]?.elements ?? [] {
      outcome.add(check(value, part, place, name: name, isTrial: true))
    }
    outcome.add(checkBranches(value, schema, place, name))
    outcome.add(checkElements(value, schema, place, name))
    outcome.add(checkMembers(value, schema, place, name))
    if schema["unevaluatedProperties"] == .bool(false) {
      for stray in value.names.subtracting(outcome.evaluated).sorted() {
        outcome.errors.append("\(place)/\(stray): not in the schema")
      }
    }
    if !isTrial { met.formUnion(outcome.met) }
    return outcome
  }

  // MARK: Keywords

  private func scalarErrors(_ value: JSONTree, _ schema: JSONTree, _ place: String) -> [String] {
    var errors: [String] = []
    for keyword in schema.members {
      let rule = keyword.value
      let isFine: Bool
      switch (keyword.name, value) {
      case ("type", _):
        isFine = !value.typeNames.isDisjoint(with: rule.string.map { [$0] } ?? rule.strings)
      case ("const", _): isFine = value == rule
      case ("enum", _): isFine = rule.elements.contains(value)
      case ("pattern", .string(let text)):
        isFine = (try? Regex(rule.string ?? "").firstMatch(in: text)) != nil
      case ("minLength", .string(let text)): isFine = text.count >= rule.int ?? 0
      case ("maxLength", .string(let text)): isFine = text.count <= rule.int ?? 0
      case ("minimum", .number(let text)): isFine = Double(text)! >= Double(rule.int ?? 0)
      case ("maximum", .number(let text)): isFine = Double(text)! <= Double(rule.int ?? .max)
      case ("minItems", .array(let elements)): isFine = elements.count >= rule.int ?? 0
      case ("maxItems", .array(let elements)): isFine = elements.count <= rule.int ?? 0
      case ("maxProperties", .object(let members)): isFine = members.count <= rule.int ?? 0
      case ("required", .object):
        isFine = value.names.isSuperset(of: rule.strings)
      default: isFine = SchemaChecker.isKnown(keyword.name)
      }
      if !isFine { errors.append("\(place): \(keyword.name) \(rule) does not hold for \(value)") }
    }
    return errors
  }

  private static let keywords: Set<String> = [
    "$ref", "allOf", "anyOf", "oneOf", "properties", "additionalProperties", "items",
    "unevaluatedProperties", "type", "const", "enum", "pattern", "minLength", "maxLength",
    "minimum", "maximum", "minItems", "maxItems", "maxProperties", "required",
  ]

  private static func isKnown(_ keyword: String) -> Bool {
    keywords.contains(keyword) || annotations.contains(keyword)
  }

  private func checkBranches(
    _ value: JSONTree, _ schema: JSONTree, _ place: String, _ name: String
  ) -> Outcome {
    var outcome = Outcome()
    for keyword in ["anyOf", "oneOf"] {
      guard let branches = schema[keyword]?.elements else { continue }
      let results = branches.enumerated().map { position, branch in
        check(value, branch, place, name: "\(name)[\(position)]", isTrial: true)
      }
      let fitting = results.filter(\.errors.isEmpty)
      if fitting.isEmpty || keyword == "oneOf" && fitting.count > 1 {
        let closest = results.map(\.errors).min { $0.count < $1.count } ?? []
        outcome.errors.append("\(place): \(fitting.count) of \(keyword) fit; \(closest)")
      }
      for result in fitting { outcome.add(result) }
    }
    return outcome
  }

  private func checkElements(
    _ value: JSONTree, _ schema: JSONTree, _ place: String, _ name: String
  ) -> Outcome {
    var outcome = Outcome()
    guard let items = schema["items"] else { return outcome }
    for (position, element) in value.elements.enumerated() {
      let inner = check(element, items, "\(place)/\(position)", name: name + "[]", isTrial: true)
      outcome.errors += inner.errors
      outcome.met.formUnion(inner.met)
    }
    return outcome
  }

  private func checkMembers(
    _ value: JSONTree, _ schema: JSONTree, _ place: String, _ name: String
  ) -> Outcome {
    var outcome = Outcome()
    let properties = schema["properties"]
    for member in value.members {
      let path = "\(place)/\(member.name)"
      if let property = properties?[member.name] {
        let inner = check(
          member.value, property, path, name: "\(name).\(member.name)", isTrial: true)
        outcome.errors += inner.errors
        outcome.met.formUnion(inner.met)
        outcome.met.insert("\(name).\(member.name)")
        outcome.evaluated.insert(member.name)
      } else if let rest = schema["additionalProperties"] {
        outcome.evaluated.insert(member.name)
        if rest == .bool(false) {
          outcome.errors.append("\(path): not in the schema")
        } else {
          outcome.errors += check(member.value, rest, path, name: name, isTrial: true).errors
        }
      }
    }
    return outcome
  }
}
