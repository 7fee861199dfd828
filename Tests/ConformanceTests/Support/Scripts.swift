// SPDX-License-Identifier: Apache-2.0
@testable import Conformance

extension TraceOperation {
  /// An operation in the words of a script: `destroy v0`, `ioas_map ioas0 iova=0x1000`.
  init(
    script: String, index: Int = 0, errno: String? = nil, fields: [String: TraceValue] = [:]
  ) {
    let words = script.split(separator: " ").map(String.init)
    let arguments = words.dropFirst().map { word in
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return parts.count == 1
        ? Argument("name", word) : Argument(String(parts[0]), String(parts[1]))
    }
    self.init(index: index, name: words[0], arguments: arguments, errno: errno, fields: fields)
  }
}

extension Trace {
  /// A trace of operations that all succeed with nothing to tell.
  init(_ scripts: [String], kernel: String = "stock", kernelWarnings: Int = 0) {
    self.init(
      name: "t", kernel: kernel, kernelWarnings: kernelWarnings,
      operations: scripts.enumerated().map { .init(script: $0.element, index: $0.offset) })
  }
}
