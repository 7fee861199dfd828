// SPDX-License-Identifier: Apache-2.0

/// What was done to a kernel, and what it answered: one script, operation by operation.
public struct Trace: Sendable {
  /// The script's name.
  public var name: String
  /// The kernel's version and what was changed in it.
  public var kernel: String
  /// How many warnings the kernel printed while the script ran.
  public var kernelWarnings: Int
  /// The operations, in the order in which they were done.
  public var operations: [TraceOperation]

  /// Makes a trace of operations that are already in order.
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
    /// The argument's name.
    public var name: String
    /// The argument's value, as the script spells it.
    public var value: String

    /// Makes an argument from its name and its value.
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// Its place in the trace, from 0.
  public var index: Int
  /// The operation's name, as the script spells it.
  public var name: String
  /// The arguments, in the order of the script.
  public var arguments: [Argument]
  /// The kernel's errno; nil for success.
  public var errno: String?
  /// What else the answer has, `hwpt`, `events` and so on.
  public var fields: [String: TraceValue]

  /// Makes an operation; without an errno it is one that succeeded.
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
