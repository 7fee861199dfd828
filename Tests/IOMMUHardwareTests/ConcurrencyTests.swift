// SPDX-License-Identifier: Apache-2.0
import SeededRandom
import Synchronization
import TestSupport
import Testing

@testable import IOMMUHardware

/// Threads that translate while others change tables and invalidate. The thread sanitizer is what
/// makes these worth most.
@Suite struct ConcurrencyTests {
  private final class Shared: Sendable {
    let isDone = Atomic<Bool>(false)
    let writes = Atomic<Int>(0)
    let violations = Atomic<Int>(0)
  }

  @Test func `after a SYNC nobody writes where a page was`() {
    // One thread moves a page to and fro. Once its SYNC is done, the old place is its own.
    let machine = Machine(.stage1(), queueLog2Size: 6)
    let shared = Shared()
    let ports = [machine.port, machine.smmu.port(1)]
    machine.world.install(stream: 1)
    runThreads(3) { thread in
      if thread == 2 {
        move(machine, shared)
        shared.isDone.store(true, ordering: .releasing)
        return
      }
      let transaction = DeviceTransaction(
        streamID: UInt32(thread), address: 0x1000 + UInt64(thread) * 8)
      while !shared.isDone.load(ordering: .acquiring) {
        let answer = ports[thread].write(transaction, [UInt8](repeating: 0xaa, count: 8))
        if answer.outcome == .done { shared.writes.wrappingAdd(1, ordering: .relaxed) }
      }
    }
    #expect(shared.violations.load(ordering: .relaxed) == 0)
    #expect(shared.writes.load(ordering: .relaxed) > 0)
  }

  private func move(_ machine: Machine, _ shared: Shared) {
    var machine = machine
    let places: [UInt64] = [0x9000_0000, 0xa000_0000]
    for round in 0..<400 {
      let old = places[round & 1]
      let count = shared.writes.load(ordering: .relaxed)
      while shared.writes.load(ordering: .relaxed) < count + 2 {}
      machine.world.map1(0x1000, places[(round + 1) & 1])
      machine.submit(.tlbiNHVA(vmid: 0, asid: 7, address: 0x1000), .sync)
      machine.world.write([0, 0], at: old)
      for _ in 0..<200 where machine.world.read(old) | machine.world.read(old + 8) != 0 {
        shared.violations.wrappingAdd(1, ordering: .relaxed)
      }
    }
  }

  @Test func `registers, commands, faults and translations may come at once`() {
    let machine = Machine(.nested(), queueLog2Size: 6)
    machine.world.install(stream: 1)
    let ports = (0..<2).map { machine.smmu.port(UInt32($0)) }
    runThreads(4) { thread in
      var random = SplitMix64(seed: UInt64(thread))
      for round in UInt64(0)..<400 {
        switch thread {
        case 0, 1:
          let page = random.next() & 3
          _ = ports[thread].translate(
            DeviceTransaction(
              streamID: UInt32(thread), address: page << 12, isWrite: round & 1 == 0))
          _ = ports[thread].requestTranslation(
            DeviceTransaction(streamID: UInt32(thread), address: 0x1000))
        case 2:
          machine.submit(.cfgiSTE(0), .tlbiNHAll(vmid: 3), .cfgiCD(1, 0), .cfgiAll, .sync)
          _ = machine.takeEvents()
        default:
          machine.write(.irqCtrl, round & 7)
          machine.write(.cr2, 6)
          machine.write(.gbpa, 1 << 31)
          machine.world.install(stream: 1)
          _ = machine.read(.eventqProd)
        }
      }
    }
    machine.submit(.cfgiAll, .tlbiNSNHAll, .sync)
    #expect(machine.address(0x1000) == 0x9000_0000)
    #expect(machine.translate(0x1000).stale == nil)
  }
}
