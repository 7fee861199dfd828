// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware

/// Measures guests' command queues, by themselves in comparison with a copy of a ring's bytes, and
/// over HTTP.
struct QueueSuite {
  let viommud: String
  let rounds: Int

  private static let rings = 256

  func run() throws {
    try alone()
    try overHTTP()
  }

  // MARK: In process

  private func alone() throws {
    let machine = try QueueMachine()
    Table.title("Commands through a guest's queue, empty TLBs")
    Table.row("", "ns", "M/s", "copies")
    try fill(machine) { .tlbiNHVA(vmid: 3, asid: 9, address: UInt64($0) << 12) }
    let copy = try (0..<rounds).map { _ in try machine.copies(Self.rings) }.min() ?? 1
    let tlbi = best { machine.run(0, Self.rings) }
    row("TLBI_NH_VA", tlbi, copy)
    var times: [Int: Double] = [:]
    for slots in [1, 2, QueueMachine.slots] {
      try fill(machine) {
        .atcInv(UInt32(0x40 + $0 % slots), nil, address: 0, sizeLog2: 52)
      }
      try machine.use(slots: slots, 0)
      let time = best { machine.run(0, Self.rings) }
      times[slots] = time
      row("ATC_INV, \(slots) slots", time, copy)
    }
    // All slots are in use, but every command is for one device. So this measures what it costs to
    // match a slot, and not what it costs to invalidate more devices.
    try fill(machine) { _ in .atcInv(0x40, nil, address: 0, sizeLog2: 52) }
    let all = best { machine.run(0, Self.rings) }
    row("ATC_INV, one of \(QueueMachine.slots)", all, copy)
    Table.row("  all slots / one", Table.fraction(all / (times[1] ?? all)))
    row("copy of 16 bytes", copy, copy)
    try scaling(machine)
  }

  private func fill(_ machine: QueueMachine, _ command: (Int) -> Command) throws {
    for guest in 0..<2 { try machine.fill(guest, command) }
  }

  private func scaling(_ machine: QueueMachine) throws {
    try fill(machine) { .tlbiNHVA(vmid: 3, asid: 9, address: UInt64($0) << 12) }
    let ratios = (0..<rounds).map { _ in
      2 * machine.parallel(1, Self.rings * 4) / machine.parallel(2, Self.rings * 4)
    }
    Table.title("Two guests on two threads")
    Table.row("times one", Table.fraction(median(ratios)))
  }

  private func best(_ body: () -> Double) -> Double { (0..<rounds).map { _ in body() }.min() ?? 0 }

  private func row(_ name: String, _ value: Double, _ copy: Double) {
    Table.row(
      name, Table.fraction(value), Table.fraction(1000 / value), Table.fraction(value / copy))
  }
}
