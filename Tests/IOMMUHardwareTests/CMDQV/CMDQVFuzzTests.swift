// SPDX-License-Identifier: Apache-2.0
import SeededRandom
import Testing

@testable import IOMMUHardware

/// Bytes that no sane host or guest writes: nothing may trap, hang, or go on without end.
@Suite struct CMDQVFuzzTests {
  @Test(arguments: UInt64(1)...6)
  func `random registers of the whole file do no harm`(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let sizes: [Tegra241CMDQV.Size] = [
      .init(vintfs: 1, vcmdqs: 2, sidsPerVINTF: 16), .init(vintfs: 4, vcmdqs: 8, sidsPerVINTF: 4),
      .init(vintfs: 8, vcmdqs: 4, sidsPerVINTF: 1),
    ]
    let machine = CMDQVMachine(size: sizes[Int(seed % 3)], isUp: seed % 3 == 1)
    let limit = Tegra241CMDQV.byteCount(machine.cmdqv.size)
    for _ in 0..<3000 {
      let page = random.next() % (limit >> 16 + 1) << 16
      let masks: [UInt64] = [0xffff, 0x1ff, 0x3fff, 0x2fc]
      let offset = UInt32(truncatingIfNeeded: page | random.next() & masks[Int(random.next() & 3)])
      let width = [4, 4, 4, 8, 8, 3, 0, -1][Int(random.next() & 7)]
      let value = random.next() >> (random.next() & 63)
      try? machine.cmdqv.writeRegister(
        offset & (random.next() & 3 == 0 ? .max : ~7), value, width: width)
      _ = try? machine.cmdqv.readRegister(offset, width: width)
      let queue = Int(random.next() % UInt64(machine.cmdqv.size.vcmdqs))
      if random.next() & 3 == 0 { fix(machine, queue, &random) }
      machine.put(GuestActor.command(&random), queue, at: random.next() & 15)
      _ = machine.cmdqv.run(queue, limit: Int(truncatingIfNeeded: random.next() & 0x1ff) - 4)
      let vintf = Int(random.next() % UInt64(machine.cmdqv.size.vintfs))
      _ = machine.cmdqv.submit(
        vintf, Int(random.next() & 3), prod: UInt32(truncatingIfNeeded: random.next()))
      _ = machine.cmdqv.interface(vintf)
      _ = machine.cmdqv.queue(queue)
    }
    #expect(machine.cmdqv.counters.commands > 0)
    #expect(machine.smmu.world.memory.residentBytes < 64 << 20)
  }

  /// Something that works, now and then.
  private func fix(_ machine: CMDQVMachine, _ queue: Int, _ random: inout SplitMix64) {
    let vintf = Int(random.next() % UInt64(machine.cmdqv.size.vintfs))
    machine.write(0x000, 1)
    machine.write(machine.interface(vintf), random.next() & 0x3_ffff | 1)
    machine.write(machine.allocation(queue), UInt64(vintf) << 15 | 1)
    machine.write(
      machine.global1(queue, LVCMDQ.base), machine.ring(queue) | random.next() & 7, width: 8)
    machine.write(
      machine.global0(queue, LVCMDQ.gerrorn), machine.read(machine.global0(queue, LVCMDQ.gerror)))
    machine.write(machine.global0(queue, LVCMDQ.config), 1)
  }

  @Test func `a ring of 2^19 entries of garbage is bounded work`() {
    let machine = CMDQVMachine()
    machine.write(machine.page1(1, 0, LVCMDQ.base), 0xd000_0000 | 19, width: 8)
    // Zeros all over, which no memory is spent on, and PROD anywhere.
    for prod in [UInt64(1) << 19, 0xf_ffff, 0xffff_ffff, 0x8_0001] {
      machine.window(1, 0, LVCMDQ.prod, prod)
      #expect(machine.cons(1, 0) == 0)
      #expect(machine.error(1, 0) == 1)
      machine.window(1, 0, LVCMDQ.gerrorn, machine.window(1, 0, LVCMDQ.gerror))
    }
    #expect(machine.cmdqv.queue(2).counters.commands == 0)
  }

  @Test(arguments: UInt64(1)...4)
  func `every entry of a random ring ends as the list of commands says`(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let machine = CMDQVMachine()
    let features = machine.smmu.smmu.features
    var outcomes: [Tegra241CMDQV.QueueError?: Int] = [:]
    for _ in 0..<1500 {
      let prod = machine.window(1, 0, LVCMDQ.prod)
      let commands = (0..<random.next() % 6).map { _ in GuestActor.command(&random) }
      for (index, command) in commands.enumerated() {
        machine.put(command, 2, at: prod + UInt64(index))
      }
      let end = (prod + UInt64(commands.count)) & 31
      let done = machine.cmdqv.submit(1, 0, prod: UInt32(end))
      let expected = commands.map { outcome($0, features) }
      let count = expected.firstIndex { $0 != nil }.map { $0 + 1 } ?? commands.count
      #expect(done.map(\.error) == Array(expected.prefix(count)))
      #expect(done.map(\.guest) == Array(commands.prefix(count)))
      for error in done.map(\.error) { outcomes[error, default: 0] += 1 }
      let isStopped = done.last?.error != nil
      #expect(
        machine.cons(1, 0) == (isStopped ? (prod + UInt64(count - 1)) & 31 : end))
      if isStopped { skip(machine, end) }
    }
    #expect(outcomes[nil] ?? 0 > 500)
    #expect(outcomes[.illegal] ?? 0 > 100 && outcomes[.unmatchedSID] ?? 0 > 100)
  }

  private func outcome(
    _ command: Command, _ features: SMMUv3Features
  ) -> Tegra241CMDQV.QueueError? {
    guard [0x11, 0x12, 0x40, 0x46].contains(command.opcode.rawValue), !command.dw0.bit(10),
      command.isLegal(for: features)
    else { return .illegal }
    if command.opcode == .sync { return command.dw0 & 0x3000 == 0 ? nil : .illegal }
    let isKnown = command.opcode != .atcInv || [0x10, 0x11].contains(command.streamID)
    return isKnown ? nil : .unmatchedSID
  }

  /// Gives up what is left in the ring.
  private func skip(_ machine: CMDQVMachine, _ prod: UInt64) {
    machine.window(1, 0, LVCMDQ.config, 0)
    machine.window(1, 0, LVCMDQ.cons, prod)
    machine.window(1, 0, LVCMDQ.gerrorn, machine.window(1, 0, LVCMDQ.gerror))
    machine.window(1, 0, LVCMDQ.config, 1)
  }
}
