// SPDX-License-Identifier: Apache-2.0

/// The outcome of an operation on the server that is tested.
struct Outcome {
  /// The errno; nil for success. If an operation failed without an errno of the kernel, this is a
  /// text that equals none.
  var errno: String?
  /// Why it failed, in the words of the server.
  var detail: String?
  /// What the answer has besides, by the names in the traces.
  var fields: [String: TraceValue]

  init(errno: String? = nil, detail: String? = nil, fields: [String: TraceValue] = [:]) {
    self.errno = errno
    self.detail = detail
    self.fields = fields
  }

  static var success: Outcome { Outcome() }

  /// The success or the refusal that an answer is, without fields.
  init(_ reply: Reply) { self = reply.refusal ?? .success }

  static func success(_ fields: [String: TraceValue]) -> Outcome { Outcome(fields: fields) }
}

/// Compares an outcome with the answer in the trace.
enum Comparison {
  /// The values of fields that may be left out, when they are.
  private static let usual: [String: TraceValue] = [
    "new_auto": .bool(false), "auto_destroyed": .list([]), "vdev_gone": .list([]),
    "unexpected_auto": .list([]),
  ]

  /// Fields whose elements may come in any order.
  private static let unordered: Set = ["auto_destroyed", "vdev_gone"]

  /// The difference between the answer in the trace and the outcome.
  ///
  /// - Returns: the two in words, each with its errno and with the fields that differ; nil if they
  ///   agree.
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
