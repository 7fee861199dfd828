// SPDX-License-Identifier: Apache-2.0

/// What was done to a kernel, and what it answered: one script, operation by operation.
public struct Trace: Sendable {
  public var name: String
  /// The kernel's version and what was changed in it.
  public var kernel: String
  /// How many warnings the kernel printed while the script ran.
  public var kernelWarnings: Int
  public var operations: [TraceOperation]

  public init(
    name: String, kernel: String, kernelWarnings: Int = 0, operations: [TraceOperation]
  ) {
    self.name = name
    self.kernel = kernel
    self.kernelWarnings = kernelWarnings
    self.operations = operations
  }

  /// Whether the kernel's self-test driver was as its source has it, with its bugs.
  var isOfStockKernel: Bool { kernel.contains("stock") }
}

/// One operation of a trace.
public struct TraceOperation: Sendable {
  /// An argument as the script spells it.
  public struct Argument: Sendable, Equatable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// Its place in the trace, from 0.
  public var index: Int
  public var name: String
  public var arguments: [Argument]
  /// The kernel's errno; nil for success.
  public var errno: String?
  /// What else the answer has, `hwpt`, `events` and so on.
  public var fields: [String: TraceValue]

  public init(
    index: Int, name: String, arguments: [Argument], errno: String? = nil,
    fields: [String: TraceValue] = [:]
  ) {
    self.index = index
    self.name = name
    self.arguments = arguments
    self.errno = errno
    self.fields = fields
  }

  /// Whether the errno comes from the program that drove the kernel, which then has not asked it.
  var isDriversOwn: Bool { errno?.hasPrefix("_") == true }

  /// The operation in the words of the script.
  public var script: String {
    let words = arguments.map { $0.name == "name" ? $0.value : "\($0.name)=\($0.value)" }
    return ([name] + words).joined(separator: " ")
  }
}
