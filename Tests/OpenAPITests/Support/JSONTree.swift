// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Yams

/// A JSON value that can be compared, changed and walked through. Numbers are kept as they are
/// spelled, so that 64-bit quantities lose nothing.
indirect enum JSONTree: Equatable, Sendable {
  case null
  case bool(Bool)
  case number(String)
  case string(String)
  case array([JSONTree])
  case object([Member])

  struct Member: Equatable, Sendable {
    let name: String
    var value: JSONTree
  }

  // MARK: Reading

  init(json: [UInt8]) throws {
    self.init(try JSONParser.parse(json, depthLimit: 512).root)
  }

  private init(_ value: JSONValue) {
    switch value.kind {
    case .null: self = .null
    case .bool: self = .bool(value.bool == true)
    case .number: self = .number(String(decoding: value.rawScalar, as: UTF8.self))
    case .string: self = .string(value.string ?? "")
    case .array: self = .array(value.elements.map { JSONTree($0) })
    case .object:
      self = .object(value.members.map { Member(name: $0.name, value: JSONTree($0.value)) })
    }
  }

  /// Reads YAML by the rules that JSON has for scalars: whatever else a reader might take for a
  /// number or a boolean is text here.
  init(yaml: String) throws {
    guard let node = try Yams.compose(yaml: yaml) else { throw Malformed() }
    self = try JSONTree(node)
  }

  struct Malformed: Error {}

  private init(_ node: Node) throws {
    switch node {
    case .mapping(let mapping):
      self = .object(
        try mapping.map { key, value in
          guard let name = key.string else { throw Malformed() }
          return Member(name: name, value: try JSONTree(value))
        })
    case .sequence(let sequence): self = .array(try sequence.map { try JSONTree($0) })
    case .scalar(let scalar): self = JSONTree(scalar)
    case .alias: throw Malformed()
    }
  }

  private init(_ scalar: Node.Scalar) {
    guard scalar.style == .plain || scalar.style == .any else {
      self = .string(scalar.string)
      return
    }
    switch scalar.string {
    case "null", "": self = .null
    case "true": self = .bool(true)
    case "false": self = .bool(false)
    case let text where text.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?/) != nil:
      self = .number(text)
    case let text: self = .string(text)
    }
  }

  // MARK: Looking

  subscript(name: String) -> JSONTree? {
    members.first { $0.name == name }?.value
  }

  var members: [Member] { if case .object(let members) = self { members } else { [] } }
  var elements: [JSONTree] { if case .array(let elements) = self { elements } else { [] } }
  var string: String? { if case .string(let text) = self { text } else { nil } }
  var int: Int? { if case .number(let text) = self { Int(text) } else { nil } }
  var strings: [String] { elements.compactMap(\.string) }
  var names: Set<String> { Set(members.map(\.name)) }

  /// The JSON Schema type of the value.
  var typeNames: Set<String> {
    switch self {
    case .null: ["null"]
    case .bool: ["boolean"]
    case .number(let text): text.contains(".") ? ["number"] : ["number", "integer"]
    case .string: ["string"]
    case .array: ["array"]
    case .object: ["object"]
    }
  }

  // MARK: Changing

  func with(_ name: String, _ value: JSONTree?) -> JSONTree {
    var members = members.filter { $0.name != name }
    if let value { members.append(.init(name: name, value: value)) }
    return .object(members)
  }

  /// The value with what is at a path of names and indexes replaced.
  func replacing(_ path: ArraySlice<String>, with change: (JSONTree) -> JSONTree) -> JSONTree {
    guard let first = path.first else { return change(self) }
    let rest = path.dropFirst()
    switch self {
    case .object(let members):
      return .object(
        members.map { member in
          guard member.name == first else { return member }
          return .init(name: first, value: member.value.replacing(rest, with: change))
        })
    case .array(let elements):
      return .array(
        elements.enumerated().map { position, element in
          String(position) == first ? element.replacing(rest, with: change) : element
        })
    default: return self
    }
  }

  // MARK: Writing

  var bytes: [UInt8] {
    var writer = JSONWriter()
    write(to: &writer)
    return writer.bytes
  }

  private func write(to writer: inout JSONWriter) {
    switch self {
    case .null: writer.null()
    case .bool(let value): writer.bool(value)
    case .number(let text): writer.raw(text.utf8)
    case .string(let text): writer.text(text)
    case .array(let elements):
      writer.beginArray()
      for element in elements { element.write(to: &writer) }
      writer.endArray()
    case .object(let members):
      writer.beginObject()
      for member in members {
        writer.memberName(member.name)
        member.value.write(to: &writer)
      }
      writer.endObject()
    }
  }
}
