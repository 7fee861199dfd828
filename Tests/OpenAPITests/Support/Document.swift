// SPDX-License-Identifier: Apache-2.0
import OpenAPIDocument

/// The OpenAPI document that is compiled into the server.
enum Document {
  static let yamlBytes = Array(OpenAPIDocument.yaml.utf8)
  static let jsonBytes = Array(OpenAPIDocument.json.utf8)
  static let yaml = try! JSONTree(yaml: OpenAPIDocument.yaml)
  static let json = try! JSONTree(json: jsonBytes)

  /// What a reference stands for.
  static func resolve(_ value: JSONTree) -> JSONTree {
    var value = value
    while let target = value["$ref"]?.string {
      value = target.dropFirst(2).split(separator: "/").reduce(json) { node, name in
        node[String(name)] ?? .null
      }
    }
    return value
  }

  static func component(_ section: String, _ name: String) -> JSONTree {
    json["components"]?[section]?[name] ?? .null
  }

  static func schema(_ name: String) -> JSONTree { component("schemas", name) }

  struct Operation: Sendable {
    let method: String
    let path: String
    let definition: JSONTree
    /// Of the path and of the operation, resolved.
    let parameters: [JSONTree]

    var operationID: String { definition["operationId"]?.string ?? "" }
    var hasBody: Bool { definition["requestBody"] != nil }

    func names(in place: String) -> [String] {
      parameters.filter { $0["in"]?.string == place }.compactMap { $0["name"]?.string }
    }

    /// The media types that the body can have.
    var bodyTypes: Set<String> {
      let body = definition["requestBody"].map { Document.resolve($0) }
      return body?["content"]?.names ?? []
    }

    /// The examples of the body, by name.
    var bodies: [JSONTree.Member] {
      guard let body = definition["requestBody"].map({ Document.resolve($0) }) else { return [] }
      let examples = body["content"]?["application/json"]?["examples"]?.members ?? []
      return examples.map { .init(name: $0.name, value: $0.value["value"] ?? .null) }
    }

    /// Nil unless the body is JSON.
    var bodySchema: JSONTree? {
      let body = definition["requestBody"].map { Document.resolve($0) }
      return body?["content"]?["application/json"]?["schema"]
    }

    /// The path with the examples of its parameters.
    var examplePath: String {
      path.split(separator: "/").map { segment in
        guard segment.hasPrefix("{") else { return "/" + segment }
        let name = String(segment.dropFirst().dropLast())
        let parameter = parameters.first { $0["name"]?.string == name }
        switch parameter?["example"] {
        case .string(let text): return "/" + text
        case .number(let text): return "/" + text
        default: return "/missing-example"
        }
      }.joined()
    }

    func response(_ status: Int) -> JSONTree? {
      definition["responses"]?[String(status)].map { Document.resolve($0) }
    }
  }

  static let operations: [Operation] = (json["paths"]?.members ?? []).flatMap { path in
    let shared = path.value["parameters"]?.elements ?? []
    return path.value.members.filter { $0.name != "parameters" }.map { member in
      Operation(
        method: member.name.uppercased(), path: path.name, definition: member.value,
        parameters: (shared + (member.value["parameters"]?.elements ?? [])).map { resolve($0) })
    }
  }

  /// The operation that a request is, to the host `default` or to another.
  static func operation(_ method: String, _ path: String) -> Operation? {
    var wanted = path.prefix { $0 != "?" }.split(separator: "/")
    if wanted.starts(with: ["v1", "hosts"]), wanted.count > 3 { wanted.removeSubrange(1...2) }
    return operations.first { operation in
      let pattern = operation.path.split(separator: "/")
      return operation.method == method && pattern.count == wanted.count
        && zip(pattern, wanted).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
    }
  }
}
