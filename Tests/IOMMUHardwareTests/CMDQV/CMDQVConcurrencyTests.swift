// SPDX-License-Identifier: Apache-2.0
import Glibc
import SeededRandom
import Synchronization
import TestSupport
import Testing

@testable import IOMMUHardware

/// Guests, their host and their devices at once. The thread sanitizer is what makes these worth
/// most.
@Suite struct CMDQVConcurrencyTests {
  private final class Shared: Sendable {
    let isDone = Atomic<Bool>(false)
    let count = Atomic<Int>(0)
    let violations = Atomic<Int>(0)
  }

  @Test func `a guest's write never lands in a queue that has become another's`() {
    let machine = CMDQVMachine()
    machine.window(1, 0, LVCMDQ.config, 0)
    let shared = Shared()
    runThreads(2) { thread in
      if thread == 0 {
        while !shared.isDone.load(ordering: .acquiring) {
          machine.window(1, 0, LVCMDQ.prod, 7)
          shared.count.wrappingAdd(1, ordering: .relaxed)
        }
        return
      }
      machine.write(machine.allocation(4), 0)
      machine.write(machine.allocation(5), 0)
      for _ in 0..<500 {
        let count = shared.count.load(ordering: .relaxed)
        while shared.count.load(ordering: .relaxed) == count { sched_yield() }
        machine.write(machine.allocation(2), 2 << 15 | 1)
        machine.write(machine.global0(2, LVCMDQ.prod), 0)
        for _ in 0..<20 where machine.read(machine.global0(2, LVCMDQ.prod)) != 0 {
          shared.violations.wrappingAdd(1, ordering: .relaxed)
        }
        machine.write(machine.allocation(2), 1 << 15 | 1)
      }
      shared.isDone.store(true, ordering: .releasing)
    }
    #expect(shared.violations.load(ordering: .relaxed) == 0)
  }

  @Test func `after a guest's SYNC nobody writes where a page was`() {
    let machine = CMDQVMachine()
    let shared = Shared()
    runThreads(3) { thread in
      if thread == 2 {
        move(machine, shared)
        return shared.isDone.store(true, ordering: .releasing)
      }
      let stream = UInt32(thread == 0 ? 11 : 1)
      let transaction = DeviceTransaction(streamID: stream, address: 0x1000 + UInt64(thread) * 8)
      let port = machine.port(stream)
      while !shared.isDone.load(ordering: .acquiring) {
        if port.write(transaction, [UInt8](repeating: 0xaa, count: 8)).outcome == .done {
          shared.count.wrappingAdd(1, ordering: .relaxed)
        }
        // Where processors are few a thread had better not lose its own inside the port's gate.
        sched_yield()
      }
    }
    #expect(shared.violations.load(ordering: .relaxed) == 0)
    #expect(shared.count.load(ordering: .relaxed) > 0)
  }

  private func move(_ machine: CMDQVMachine, _ shared: Shared) {
    var world = machine.smmu.world
    let places: [UInt64] = [0x9000_0000, 0xb000_0000]
    for round in 0..<200 {
      let count = shared.count.load(ordering: .relaxed)
      while shared.count.load(ordering: .relaxed) < count + 2 { sched_yield() }
      world.map1(0x1000, places[(round + 1) & 1])
      // The page's command is not the batch's first: meanwhile devices go on to use the page.
      for index in UInt64(0)..<12 {
        machine.put(
          .tlbiNHVA(vmid: 0, asid: 7, address: (index + 2) << 12), 2,
          at: machine.window(1, 0, LVCMDQ.prod) + index)
      }
      let prod = machine.window(1, 0, LVCMDQ.prod) + 12
      machine.put(.tlbiNHVA(vmid: 0, asid: 7, address: 0x1000), 2, at: prod)
      machine.put(.atcInv(0x10, nil, address: 0x1000, sizeLog2: 0), 2, at: prod + 1)
      machine.put(.sync, 2, at: prod + 2)
      machine.window(1, 0, LVCMDQ.prod, (prod + 3) & 31)
      let old = places[round & 1]
      world.write([0, 0], at: old)
      for _ in 0..<200 where world.read(old) | world.read(old + 8) != 0 {
        shared.violations.wrappingAdd(1, ordering: .relaxed)
      }
    }
  }

  @Test func `guests, host, SMMU and devices may all be at work`() {
    let machine = CMDQVMachine()
    machine.cmdqv.setDeferred(true, queue: 5)
    runThreads(5) { thread in
      var random = SplitMix64(seed: UInt64(thread))
      for round in UInt64(0)..<300 {
        switch thread {
        case 0, 1:
          var actor = GuestActor(machine, 1 + thread)
          for _ in 0..<8 { actor.act(&random) }
        case 2:
          machine.write(machine.match(1, 0), (round & 1) << 5 | 0x21)
          machine.write(machine.interface(2), 6 << 1 | (round & 3 == 0 ? 0 : 1))
          machine.write(0x01c, round & 7)
          machine.write(machine.allocation(3), round & 1 << 15 | 1 << 1 | 1)
          _ = machine.cmdqv.run(5, limit: 100)
        case 3:
          machine.smmu.submit(.tlbiNSNHAll, .cfgiAll, .sync)
          _ = machine.smmu.takeEvents()
          _ = (machine.read(0x014), machine.cmdqv.interface(1), machine.cmdqv.queue(3))
        default:
          _ = machine.page(UInt32(10 + round % 4), (round & 7) << 12)
          machine.touch(UInt32(1 + round & 1), 0x1000)
          sched_yield()
        }
      }
    }
    machine.write(machine.allocation(3), 1 << 15 | 1 << 1 | 1)
    machine.smmu.submit(.cfgiAll, .tlbiNSNHAll, .sync)
    #expect(machine.page(11, 0x1000) == 0x9000_0000)
  }
}
