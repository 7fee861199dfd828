// SPDX-License-Identifier: Apache-2.0

/// Measures the time from the start of the program to its first answer, and the memory that it
/// needs when it has nothing to do.
struct StartSuite {
  let viommud: String
  let rounds: Int

  func run() throws {
    var times: [Double] = []
    var memory: [Double] = []
    for _ in 0..<rounds {
      let start = Clock.now()
      let program = try Program.viommud(viommud)
      times.append(Clock.seconds(since: start) * 1000)
      memory.append(Double(try program.residentMemory()))
    }
    Table.title("Start: medians of \(rounds)")
    Table.row("exec to /readyz", Table.fraction(median(times)) + " ms")
    Table.row("idle memory", Table.number(median(memory)) + " bytes")
  }
}
