// SPDX-License-Identifier: Apache-2.0

/// A record of one script that was run on a kernel: each operation, and what the kernel answered.
public struct Trace: Sendable {
  /// The script's name.
  public var name: String
  /// The version of the kernel, and what was changed in it.
  public var kernel: String
  /// How many warnings the kernel printed while the script ran.
  public var kernelWarnings: Int
  /// The operations, in the order in which they were run.
  public var operations: [TraceOperation]

  /// Makes a trace of operations, which are given in their order.
  public init(
    name: String, kernel: String, kernelWarnings: Int = 0, operations: [TraceOperation]
  ) {
    self.name = name
    self.kernel = kernel
    self.kernelWarnings = kernelWarnings
    self.operations = operations
  }

  /// Whether the self-test driver of the kernel was unchanged, so that it had its bugs.
  var isOfStockKernel: Bool { kernel.contains("stock") }
}

/// One operation of a trace.
public struct TraceOperation: Sendable {
  /// An argument of an operation.
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

  /// The operation's place in the trace, counted from 0.
  public var index: Int
  /// The operation's name in the script.
  public var name: String
  /// The arguments, in the order in which the script has them.
  public var arguments: [Argument]
  /// The symbol of the kernel's errno; nil for success.
  public var errno: String?
  /// What the answer has besides: `hwpt`, `events` and so on.
  public var fields: [String: TraceValue]

  /// Makes an operation. Without an errno it is one that succeeded.
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

  /// Whether the program that drove the kernel refused the operation by itself, so that the kernel
  /// was never asked. Such an errno begins with an underscore.
  var isDriversOwn: Bool { errno?.hasPrefix("_") == true }

  /// The operation as a line of the script.
  public var script: String {
    let words = arguments.map { $0.name == "name" ? $0.value : "\($0.name)=\($0.value)" }
    return ([name] + words).joined(separator: " ")
  }
}
