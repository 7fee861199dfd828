// SPDX-License-Identifier: Apache-2.0
import Conformance

/// Prints the results of traces, and a summary at the end.
struct Report {
  /// How much is printed: each difference in several lines, each in one line, or only the summary.
  enum Style {
    case full, lines, quiet
  }

  let style: Style
  private(set) var tally = Tally()

  init(style: Style) { self.style = style }

  mutating func add(_ result: TraceResult) {
    tally.add(result)
    switch style {
    case .full: printWhole(result)
    case .lines: if let difference = result.difference { print(difference.line) }
    case .quiet: break
    }
  }

  private func printWhole(_ result: TraceResult) {
    switch result.ending {
    case .agreed: break
    case .differed(let difference): print("\(difference)\n")
    case .notCompared(let index, let reason):
      print("\(result.trace): not compared from operation \(index) on: \(reason)\n")
    }
    if let host = result.host { print("\(result.trace): left on the host \(host)") }
  }

  /// Prints the summary, unless the output is to be a list of differences and nothing else.
  func finish() {
    if style != .lines { print(tally) }
  }
}
