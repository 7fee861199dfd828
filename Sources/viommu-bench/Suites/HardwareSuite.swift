// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware

/// Measures the emulated SMMU by itself. Translations are compared with the memory accesses that
/// they consist of, and commands with a copy of their bytes.
struct HardwareSuite {
  let rounds: Int

  private static let pages = 4096
  private static let hits = 4_000_000

  func run() throws {
    let machine = try TranslationMachine(pages: HardwareSuite.pages)
    let read = best { machine.dependentReads(HardwareSuite.hits) }
    Table.title("SMMU: nanoseconds each; a dependent read of 8 bytes takes \(text(read))")
    Table.row("", "ns", "reads")
    row("copy of 8 bytes", best { machine.copies(HardwareSuite.hits) }, read)
    for isNested in [false, true] {
      let stream: UInt32 = isNested ? 1 : 0
      let name = isNested ? "nested" : "stage 1"
      row(
        "hit, \(name), 64 pages", best { machine.translate(stream, 64, HardwareSuite.hits) }, read)
      row(
        "hit, \(name), \(HardwareSuite.pages) pages",
        best { machine.translate(stream, HardwareSuite.pages, HardwareSuite.hits) }, read)
      let walk = best {
        machine.forgetAll()
        return machine.translate(stream, HardwareSuite.pages, HardwareSuite.pages)
      }
      row("walk, \(name)", walk, read)
      let same = best { machine.sameReads(stream, HardwareSuite.pages) }
      row("its reads alone", same, read)
      Table.row("  walk / its reads", "", Table.fraction(walk / same))
    }
    commands(machine)
    try scaling(machine)
  }

  private func commands(_ machine: TranslationMachine) {
    let count = 1_000_000
    let command = best { machine.commands(count) }
    let copy = best { machine.commandCopies(count) }
    Table.title("Commands through the main queue: TLBI_NH_VA, empty TLBs")
    Table.row("", "ns", "M/s")
    Table.row("command", Table.fraction(command), Table.fraction(1000 / command))
    Table.row("copy of its 16 bytes", Table.fraction(copy), Table.fraction(1000 / copy))
    Table.row("command / copy", Table.fraction(command / copy))
  }

  private func scaling(_ machine: TranslationMachine) throws {
    let count = HardwareSuite.hits * 4
    var ratios: [Double] = []
    for _ in 0..<rounds {
      let one = machine.parallel([0], count)
      let two = machine.parallel([0, 1], count)
      ratios.append(2 * one / two)
    }
    Table.title("Two devices on two threads, hits")
    Table.row("times one", Table.fraction(median(ratios)))
  }

  private func best(_ body: () -> Double) -> Double { (0..<rounds).map { _ in body() }.min() ?? 0 }

  private func row(_ name: String, _ value: Double, _ read: Double) {
    Table.row(name, text(value), Table.fraction(value / read))
  }

  private func text(_ value: Double) -> String { Table.fraction(value) }
}
