// SPDX-License-Identifier: Apache-2.0

/// What became of a trace.
public struct TraceResult: Sendable {
  public enum Ending: Sendable {
    case agreed
    /// At the first operation that answered otherwise.
    case differed(Difference)
    /// From an operation on the kernel's answers are a bug's.
    case notCompared(from: Int, reason: String)
  }

  public var trace: String
  public var ending: Ending
  /// Operations that answered as in the trace.
  public var compared: Int
  /// Operations that were not: the driving program's own refusals, and what is behind the end.
  public var notCompared: Int
  /// The host, if it was left.
  public var host: String?

  public var difference: Difference? {
    if case .differed(let difference) = ending { difference } else { nil }
  }
}

/// The first operation of a trace that answered otherwise than the kernel.
public struct Difference: Sendable {
  public var trace: String
  public var operation: TraceOperation
  public var expected: String
  public var got: String
  /// The server's words, or why the operation could not be played.
  public var detail: String?
  /// What was sent for the operation, and what came back.
  public var exchanges: [Exchange]
  /// The objects that the operation names, as they are now.
  public var states: [ObjectState]

  /// An object as a GET shows it.
  public struct ObjectState: Sendable {
    /// Its name in the trace.
    public var name: String
    public var path: String
    public var json: String
  }

  /// The difference in one line, for lists of expected ones.
  public var line: String {
    "\(trace)#\(operation.index) \(operation.script) expected \(expected) got \(got)"
  }
}

extension Difference: CustomStringConvertible {
  /// Bytes of a body that are shown.
  private static let shownBytes = 600

  public var description: String {
    var lines = [
      "\(trace), operation \(operation.index): \(operation.script)",
      "  expected: \(expected)",
      "  got:      \(got)",
    ]
    if let detail { lines.append("  because:  \(detail)") }
    for exchange in exchanges {
      let request = exchange.request
      lines.append("  sent:     \(request.method) \(request.path)")
      if let body = request.body { lines.append("            " + Difference.shown(body)) }
      lines.append(
        "  answered: \(exchange.answer.status) " + Difference.shown(exchange.answer.body))
    }
    for state in states {
      lines.append("  \(state.name): \(state.path)")
      lines.append("            " + Difference.shown(Array(state.json.utf8)))
    }
    return lines.joined(separator: "\n")
  }

  private static func shown(_ bytes: [UInt8]) -> String {
    let text = String(decoding: bytes.prefix(shownBytes), as: UTF8.self)
    return bytes.count > shownBytes ? text + "…" : text
  }
}

/// The counts over many traces.
public struct Tally: Sendable {
  public private(set) var traces = 0
  public private(set) var agreed = 0
  public private(set) var differed = 0
  /// Traces that ended early because the kernel's answers were a bug's.
  public private(set) var stopped = 0
  public private(set) var compared = 0
  public private(set) var notCompared = 0

  public init() {}

  public mutating func add(_ result: TraceResult) {
    traces += 1
    switch result.ending {
    case .agreed: agreed += 1
    case .differed: differed += 1
    case .notCompared: stopped += 1
    }
    compared += result.compared
    notCompared += result.notCompared
  }
}

extension Tally: CustomStringConvertible {
  public var description: String {
    """
    \(traces) traces: \(agreed) agree, \(differed) differ, \(stopped) agree up to a bug of their \
    kernel; \(compared) operations compared, \(notCompared) not compared
    """
  }
}
