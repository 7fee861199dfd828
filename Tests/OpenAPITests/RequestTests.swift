// SPDX-License-Identifier: Apache-2.0
import Testing

/// An example of a body, and the operation that it is for.
struct BodyExample: Sendable, CustomTestStringConvertible {
  let operation: Document.Operation
  let name: String
  let body: JSONTree

  var testDescription: String { "\(operation.operationID) \(name)" }

  static let all: [BodyExample] = Document.operations.flatMap { operation in
    operation.bodies.compactMap { example in
      // The ID in the path is the one in the body.
      let isPut = operation.path.hasSuffix("}") && !operation.path.contains("attachments")
      if isPut, example.value["id"] != nil {
        let id = operation.examplePath.split(separator: "/").last.map(String.init) ?? ""
        return BodyExample(
          operation: operation, name: example.name, body: example.value.with("id", .string(id)))
      }
      return BodyExample(operation: operation, name: example.name, body: example.value)
    }
  }

  func send(_ body: JSONTree) throws -> Service.Answer {
    let service = try Service()
    try service.furnish()
    let query = operation.names(in: "query").contains("dry_run") ? "?dry_run=true" : ""
    return try service.send(operation.method, operation.examplePath + query, body)
  }
}

@Suite("Bodies and their schemas")
struct RequestTests {
  /// Codes that blame the form of a body, and not what it says.
  private static let formCodes = [
    "malformed_json", "malformed_request", "invalid_field", "unknown_field",
  ]

  /// The code of the fault at a place, if there is one.
  private func code(_ answer: Service.Answer, at pointer: String) -> String? {
    answer.json["errors"]?.elements.first { $0["pointer"]?.string == pointer }?["code"]?.string
  }

  @Test("Every operation with a body in JSON has an example of it")
  func examplesExist() {
    for operation in Document.operations where operation.bodySchema != nil {
      #expect(!operation.bodies.isEmpty, "\(operation.operationID)")
    }
  }

  @Test("Every example fits its schema and decodes", arguments: BodyExample.all)
  func examples(_ example: BodyExample) throws {
    let schema = try #require(example.operation.bodySchema)
    #expect(SchemaChecker().errors(example.body, schema) == [])
    let answer = try example.send(example.body)
    let text = String(decoding: answer.body, as: UTF8.self)
    #expect(!Self.formCodes.contains(answer.json["code"]?.string ?? ""), "\(text)")
  }

  @Test(
    "A member that the schema does not have is refused, wherever it is",
    arguments: BodyExample.all)
  func strays(_ example: BodyExample) throws {
    let schema = try #require(example.operation.bodySchema)
    for (path, _) in objects(example.body, schema) {
      let body = example.body.replacing(path[...]) { $0.with("stray", .bool(true)) }
      let pointer = pointer(path, "stray")
      #expect(SchemaChecker().errors(body, schema) != [], "\(pointer)")
      #expect(code(try example.send(body), at: pointer) == "unknown_field", "\(pointer)")
    }
  }

  @Test("A member that is required is missed, and may not be null", arguments: BodyExample.all)
  func required(_ example: BodyExample) throws {
    let schema = try #require(example.operation.bodySchema)
    for (path, schema) in objects(example.body, schema) {
      for name in schema["required"]?.strings ?? [] {
        let place = pointer(path, name)
        for value in [nil, JSONTree.null] {
          let body = example.body.replacing(path[...]) { $0.with(name, value) }
          let answer = try example.send(body)
          let isMissed = code(answer, at: place) == "invalid_field" || name == "assert"
          #expect(isMissed, "\(place) \(String(decoding: answer.body, as: UTF8.self))")
        }
      }
    }
  }

  @Test(
    "A member that is not required may be null, which is as if it were not there",
    arguments: BodyExample.all)
  func optional(_ example: BodyExample) throws {
    let root = try #require(example.operation.bodySchema)
    for (path, schema) in objects(example.body, root) {
      let required = Set(schema["required"]?.strings ?? [])
      for name in (schema["properties"]?.names ?? []).subtracting(required).sorted() {
        let body = example.body.replacing(path[...]) { $0.with(name, .null) }
        // Some bodies need one of two members, and then it is not this one's form that is wrong.
        guard SchemaChecker().errors(body, root) == [] else { continue }
        let fault = code(try example.send(body), at: pointer(path, name))
        #expect(!Self.formCodes.contains(fault ?? ""), "\(pointer(path, name))")
      }
    }
  }

  private func pointer(_ path: [String], _ name: String) -> String {
    (path + [name]).map { "/" + $0 }.joined()
  }

  /// The closed objects in a body, with the schemas that they fit.
  private func objects(_ value: JSONTree, _ schema: JSONTree) -> [([String], JSONTree)] {
    var found: [([String], JSONTree)] = []
    visit(value, schema, [], &found)
    return found
  }

  private func visit(
    _ value: JSONTree, _ schema: JSONTree, _ path: [String], _ found: inout [([String], JSONTree)]
  ) {
    let schema = Document.resolve(schema)
    for branch in (schema["anyOf"]?.elements ?? []) + (schema["oneOf"]?.elements ?? [])
    where branch["$ref"] != nil && SchemaChecker().errors(value, branch) == [] {
      visit(value, branch, path, &found)
    }
    if case .object = value, schema["additionalProperties"] == .bool(false) {
      found.append((path, schema))
      for member in value.members {
        if let inner = schema["properties"]?[member.name] {
          visit(member.value, inner, path + [member.name], &found)
        }
      }
    }
    if let items = schema["items"] {
      for (position, element) in value.elements.enumerated() {
        visit(element, items, path + [String(position)], &found)
      }
    }
  }
}
