// SPDX-License-Identifier: Apache-2.0

/// The result of playing a trace.
public struct TraceResult: Sendable {
  /// How the playing of a trace ended.
  public enum Ending: Sendable {
    /// Every answer that was compared was as in the trace.
    case agreed
    /// An answer was not as in the trace, and the playing ended with it.
    case differed(Difference)
    /// All answers agreed up to this operation, from which on those in the trace come from a bug of
    /// the kernel.
    case notCompared(from: Int, reason: String)
  }

  /// The trace's name.
  public var trace: String
  /// How the playing ended.
  public var ending: Ending
  /// How many operations were answered as in the trace.
  public var compared: Int
  /// How many operations were not compared: those that the program which drove the kernel refused
  /// by itself, and those at and behind the place where the playing ended early.
  public var notCompared: Int
  /// The ID of the host, if it was left on the server.
  public var host: String?

  /// The difference with which the playing ended; nil if it ended otherwise.
  public var difference: Difference? {
    if case .differed(let difference) = ending { difference } else { nil }
  }
}

/// The first operation of a trace that the server answered otherwise than the kernel.
public struct Difference: Sendable {
  /// The trace's name.
  public var trace: String
  /// The operation that was answered otherwise.
  public var operation: TraceOperation
  /// The kernel's answer, as the trace has it.
  public var expected: String
  /// The server's answer, spelled as the trace spells answers.
  public var got: String
  /// Why the server refused the operation, in its words, or why it could not be played.
  public var detail: String?
  /// The requests that were sent for the operation, and the answers to them.
  public var exchanges: [Exchange]
  /// The objects that the operation names, as they were after it.
  public var states: [ObjectState]

  /// An object as a GET showed it.
  public struct ObjectState: Sendable {
    /// Its name in the trace.
    public var name: String
    /// Its path in the API, behind that of the host.
    public var path: String
    /// Those members of its JSON document that may tell something about the cause.
    public var json: String
  }

  /// The difference in one line, for a list of those that are expected.
  public var line: String {
    "\(trace)#\(operation.index) \(operation.script) expected \(expected) got \(got)"
  }
}

extension Difference: CustomStringConvertible {
  /// How many bytes of a body are shown.
  private static let shownBytes = 600

  /// The difference in several lines, for somebody who looks for the cause.
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

/// The results of many traces, counted.
public struct Tally: Sendable {
  /// How many traces were played.
  public private(set) var traces = 0
  /// How many traces had every answer as the kernel gave it.
  public private(set) var agreed = 0
  /// How many traces had an answer that was not the kernel's.
  public private(set) var differed = 0
  /// How many traces agreed up to a bug of their kernel.
  public private(set) var stopped = 0
  /// How many operations were answered as in their traces.
  public private(set) var compared = 0
  /// How many operations were not compared, for the reasons that `TraceResult` gives.
  public private(set) var notCompared = 0

  /// Begins with nothing counted.
  public init() {}

  /// Counts the result of one more trace.
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
  /// The counts in one sentence, for the end of a run.
  public var description: String {
    """
    \(traces) traces: \(agreed) agree, \(differed) differ, \(stopped) agree up to a bug of their \
    kernel; \(compared) operations compared, \(notCompared) not compared
    """
  }
}
