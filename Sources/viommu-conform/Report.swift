// SPDX-License-Identifier: Apache-2.0
import Conformance

/// Prints results.
struct Report {
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

  /// The summary; a list of lines stays one.
  func finish() {
    if style != .lines { print(tally) }
  }
}
