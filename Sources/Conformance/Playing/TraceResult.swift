// SPDX-License-Identifier: Apache-2.0

/// What became of a trace.
public struct TraceResult: Sendable {
  /// How the playing of a trace ended.
  public enum Ending: Sendable {
    case agreed
    /// At the first operation that answered otherwise.
    case differed(Difference)
    /// From an operation on the kernel's answers are a bug's.
    case notCompared(from: Int, reason: String)
  }

  /// The trace's name.
  public var trace: String
  /// How the playing ended.
  public var ending: Ending
  /// Operations that answered as in the trace.
  public var compared: Int
  /// Operations that were not: the driving program's own refusals, and what is behind the end.
  public var notCompared: Int
  /// The host, if it was left.
  public var host: String?

  /// The first answer that was another than the kernel's; nil unless the trace ended with one.
  public var difference: Difference? {
    if case .differed(let difference) = ending { difference } else { nil }
  }
}

/// The first operation of a trace that answered otherwise than the kernel.
public struct Difference: Sendable {
  /// The trace's name.
  public var trace: String
  /// The operation that was answered otherwise.
  public var operation: TraceOperation
  /// The kernel's answer, from the trace.
  public var expected: String
  /// The server's answer, spelled as the trace spells answers.
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
    /// The path that was asked for.
    public var path: String
    /// The JSON document that came back.
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

  /// The difference in several lines, for a person who looks for the cause.
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
  /// Traces that were played.
  public private(set) var traces = 0
  /// Traces of which every answer was as the kernel's.
  public private(set) var agreed = 0
  /// Traces with an answer that was another than the kernel's.
  public private(set) var differed = 0
  /// Traces that ended early because the kernel's answers were a bug's.
  public private(set) var stopped = 0
  /// Operations that answered as in their traces.
  public private(set) var compared = 0
  /// Operations that were not compared, for the reasons that a `TraceResult` gives.
  public private(set) var notCompared = 0

  /// Counts from nought.
  public init() {}

  /// Counts one more trace.
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
  /// The counts in words, for the end of a run.
  public var description: String {
    """
    \(traces) traces: \(agreed) agree, \(differed) differ, \(stopped) agree up to a bug of their \
    kernel; \(compared) operations compared, \(notCompared) not compared
    """
  }
}
