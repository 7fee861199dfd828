// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Reads traces from JSON. A scenario is a document of its own; random traces are written one to a
/// line.
public enum TraceReader {
  /// Why a text is not a trace, and where.
  public struct Failure: Error, Equatable, CustomStringConvertible {
    /// The line, counted from 1.
    public var line: Int
    /// What is wrong there, in words.
    public var reason: String

    /// The line and the reason, with a colon between them.
    public var description: String { "\(line): \(reason)" }
  }

  /// Reads a document that is one trace.
  public static func document(_ bytes: [UInt8]) throws(Failure) -> Trace {
    try trace(bytes, firstLine: 1)
  }

  /// Reads lines that are a trace each. Empty lines are skipped.
  public static func lines(_ bytes: [UInt8]) throws(Failure) -> [Trace] {
    var traces: [Trace] = []
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.allSatisfy({ $0 <= 0x20 }) {
      traces.append(try trace(Array(line), firstLine: index + 1))
    }
    return traces
  }

  private static func trace(_ bytes: [UInt8], firstLine: Int) throws(Failure) -> Trace {
    let place = Place(bytes: bytes, firstLine: firstLine)
    let root: JSONValue
    do {
      root = try JSONParser.parse(bytes).root
    } catch {
      throw Failure(line: place.line(of: error.offset), reason: error.reason)
    }
    guard root.kind == .object else {
      throw place.failure(root, "a trace is an object, not \(root.kind.noun)")
    }
    guard let name = (root.member("name") ?? root.member("trace"))?.string else {
      throw place.failure(root, "a trace needs a `name` or a `trace` that is a string")
    }
    guard let list = root.member("output") ?? root.member("ops"), list.kind == .array else {
      throw place.failure(root, "a trace needs an `output` or `ops` that is an array")
    }
    var operations: [TraceOperation] = []
    for (index, element) in list.elements.enumerated() {
      operations.append(try operation(element, index, place))
    }
    return Trace(
      name: name, kernel: root.member("kernel")?.string ?? "",
      kernelWarnings: root.member("kernel_warnings")?.quantity.flatMap { Int(exactly: $0) } ?? 0,
      operations: operations)
  }

  /// The members of an operation that are not fields of its answer.
  private static let ownMembers: Set = ["i", "op", "args", "rc", "errno", "nonexistent"]

  private static func operation(
    _ value: JSONValue, _ position: Int, _ place: Place
  ) throws(Failure) -> TraceOperation {
    guard let name = value.member("op")?.string else {
      throw place.failure(value, "operation \(position) has no `op` that is a string")
    }
    let rc = value.member("rc").map { String(decoding: $0.rawScalar, as: UTF8.self) }
    guard rc == "0" || rc == "-1" else {
      throw place.failure(value, "operation \(position), \(name), has no `rc` of 0 or -1")
    }
    let errno = value.member("errno")?.string
    guard (errno != nil) == (rc == "-1") else {
      throw place.failure(
        value, "operation \(position), \(name): an `errno` and an `rc` of -1 go together")
    }
    var fields: [String: TraceValue] = [:]
    for (name, value) in value.members where !ownMembers.contains(name) {
      fields[name] = TraceValue(value)
    }
    return TraceOperation(
      index: value.member("i")?.quantity.flatMap { Int(exactly: $0) } ?? position, name: name,
      arguments: try arguments(value, position, place), errno: errno, fields: fields)
  }

  private static func arguments(
    _ value: JSONValue, _ position: Int, _ place: Place
  ) throws(Failure) -> [TraceOperation.Argument] {
    guard let arguments = value.member("args") else { return [] }
    guard arguments.kind == .object else {
      throw place.failure(value, "the `args` of operation \(position) are no object")
    }
    return arguments.members.map { name, value in
      .init(name, value.string ?? String(decoding: value.rawScalar, as: UTF8.self))
    }
  }
}

/// Finds the line of a file that a value is in.
private struct Place {
  let bytes: [UInt8]
  let firstLine: Int

  func line(of offset: Int) -> Int {
    firstLine + bytes.prefix(offset).count { $0 == UInt8(ascii: "\n") }
  }

  func failure(_ value: JSONValue, _ reason: String) -> TraceReader.Failure {
    TraceReader.Failure(line: line(of: offset(of: value)), reason: reason)
  }

  /// Where the first scalar in a value lies, since arrays and objects do not know their own place.
  private func offset(of value: JSONValue) -> Int {
    switch value.kind {
    case .object: value.members.first.map { offset(of: $0.value) } ?? 0
    case .array: value.elements.first.map { offset(of: $0) } ?? 0
    default: value.rawScalar.startIndex
    }
  }
}
