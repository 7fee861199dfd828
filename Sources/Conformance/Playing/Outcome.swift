// SPDX-License-Identifier: Apache-2.0

/// What an operation came to here.
struct Outcome {
  /// The kernel's errno, or what stands in its place when there was none; nil for success.
  var errno: String?
  /// The server's words for it.
  var detail: String?
  var fields: [String: TraceValue]

  init(errno: String? = nil, detail: String? = nil, fields: [String: TraceValue] = [:]) {
    self.errno = errno
    self.detail = detail
    self.fields = fields
  }

  static var success: Outcome { Outcome() }

  /// Success or refusal, with nothing more to say.
  init(_ reply: Reply) { self = reply.refusal ?? .success }

  static func success(_ fields: [String: TraceValue]) -> Outcome { Outcome(fields: fields) }
}

/// Holds an outcome against what the trace says.
enum Comparison {
  /// What a field is when it is left out.
  private static let usual: [String: TraceValue] = [
    "new_auto": .bool(false), "auto_destroyed": .list([]), "vdev_gone": .list([]),
    "unexpected_auto": .list([]),
  ]

  /// Fields whose elements come in no particular order.
  private static let unordered: Set = ["auto_destroyed", "vdev_gone"]

  /// What differs: the expected and the actual answer in words, of the fields that differ or that
  /// matter with them. Nil if all that the trace says is so.
  static func difference(
    _ operation: TraceOperation, _ outcome: Outcome
  ) -> (expected: String, got: String)? {
    var names: [String] = []
    for name in Set(operation.fields.keys).union(usual.keys).sorted()
    where !agrees(name, operation.fields[name], outcome.fields[name]) {
      names.append(name)
    }
    if operation.errno == outcome.errno, names.isEmpty { return nil }
    return (
      words(operation.errno, operation.fields, names), words(outcome.errno, outcome.fields, names)
    )
  }

  private static func agrees(
    _ name: String, _ expected: TraceValue?, _ actual: TraceValue?
  ) -> Bool {
    let expected = expected ?? usual[name]
    let actual = actual ?? usual[name]
    return unordered.contains(name) ? expected?.sorted == actual?.sorted : expected == actual
  }

  private static func words(
    _ errno: String?, _ fields: [String: TraceValue], _ names: [String]
  ) -> String {
    let parts = names.map { name in
      "\(name)=" + (fields[name] ?? usual[name]).map { "\($0)" }.or("nothing")
    }
    return ([errno ?? "success"] + parts).joined(separator: " ")
  }
}

extension Optional {
  fileprivate func or(_ other: Wrapped) -> Wrapped { self ?? other }
}
