// SPDX-License-Identifier: Apache-2.0
import SeededRandom
import Testing

@testable import IOMMUHardware

@Suite struct StaleTests {
  @Test func `an answer that agrees with memory is not stale, whatever else was written`() {
    let machine = Machine(.nested())
    for number in UInt64(0)..<10 {
      #expect(machine.translate(0x1000).stale == nil)
      machine.world.write(number, at: 0x9000_0000)
      machine.world.write(number, at: machine.world.next + number * 8)
    }
    // A table page that is written elsewhere has to be looked at, and agrees.
    machine.world.write(0, at: machine.world.streamTable + 64)
    let before = machine.world.memory.tableWrites
    #expect(before > 0)
    #expect(machine.translate(0x1000).stale == nil)
  }

  @Test func `an unmapped page that is still used names the missing TLBI`() throws {
    var machine = Machine(.stage1())
    _ = machine.translate(0x1000)
    let agreed = machine.world.memory.tableWrites
    machine.world.map1(0x1000, 0, attributes: 0)
    let answer = machine.translate(0x1234)
    #expect(answer.translation?.physicalAddress == 0x9000_0234)
    let stale = try #require(answer.stale)
    #expect(stale.cache == .tlb)
    #expect(stale.agreedAt == agreed)
    #expect(stale.seenAt == agreed + 1)
    #expect(stale.missing == .tlbiNHVA(vmid: 0, asid: 7, address: 0x1000))
    // Seen once, known for ever.
    machine.world.write(1, at: machine.world.streamTable + 128)
    #expect(machine.translate(0x1000).stale?.seenAt == agreed + 1)
    machine.submit(stale.missing, .sync)
    #expect(machine.translate(0x1000).stale == nil)
    #expect(machine.translate(0x1000).fault?.id == .translation)
  }

  @Test func `a table that is put back as it was makes the answer good again`() {
    var machine = Machine(.stage1())
    _ = machine.translate(0x1000)
    machine.world.map1(0x1000, 0xa000_0000)
    #expect(machine.translate(0x1000).stale != nil)
    machine.world.map1(0x1000, 0x9000_0000)
    #expect(machine.translate(0x1000).stale == nil)
  }

  @Test func `a changed entry and a changed descriptor name their commands`() {
    var machine = Machine(.stage1())
    _ = machine.translate(0x1000)
    machine.world.cd.asid = 9
    machine.world.install()
    let first = machine.translate(0x1000).stale
    #expect(first?.cache == .contextDescriptor)
    #expect(first?.missing == .cfgiCD(0, 0))
    machine.world.ste.config = .abort
    machine.world.install()
    let second = machine.translate(0x1000).stale
    #expect(second?.cache == .streamTableEntry)
    #expect(second?.missing == .cfgiSTE(0))
    machine.submit(.cfgiSTE(0))
    #expect(machine.translate(0x1000).stale == nil)
  }

  @Test func `a stream that was let go is told when its abort is stale`() {
    var world = World.stage1()
    world.ste.config = .abort
    var machine = Machine(world)
    #expect(machine.translate(0x1000).fault != nil)
    machine.world.ste.config = .stage1
    machine.world.install()
    let answer = machine.translate(0x1000)
    #expect(answer.fault != nil)
    #expect(answer.stale?.missing == .cfgiSTE(0))
  }

  @Test func `in a nested stream the stage that changed is named`() throws {
    var machine = Machine(.nested())
    let intermediate = 0x9000_0000 + World.shift
    _ = machine.translate(0x1000)
    machine.world.map1(0x1000, 0x9000_1000 + World.shift)
    #expect(
      machine.translate(0x1000).stale?.missing == .tlbiNHVA(vmid: 3, asid: 7, address: 0x1000))
    machine.world.map1(0x1000, intermediate)
    machine.world.map2(intermediate, 0xa000_0000)
    let first = try #require(machine.translate(0x1000).stale)
    #expect(first.missing == .tlbiS2IPA(vmid: 3, address: intermediate))
    machine.submit(first.missing, .sync)
    // The entry of both stages is still there, and S2_IPA cannot name it.
    let second = try #require(machine.translate(0x1000).stale)
    #expect(second.missing == .tlbiNHAll(vmid: 3))
    machine.submit(second.missing, .sync)
    #expect(machine.translate(0x1000).stale == nil)
    #expect(machine.address(0x1000) == 0xa000_0000)
  }

  @Test func `where a table went, the missing command is not for the leaf alone`() throws {
    let machine = Machine(.stage1())
    _ = machine.translate(0x1000)
    // The first table's entry: everything below is gone with it.
    machine.world.write(0, at: machine.world.cd.ttb0)
    let stale = try #require(machine.translate(0x1000).stale)
    #expect(stale.missing == .tlbiNHVA(vmid: 0, asid: 7, address: 0x1000, leaf: false))
  }

  @Test func `a walk through a stale entry of stage 2 is stale`() {
    var world = World.nested()
    world.map1(0x2000, 0x9000_0000 + World.shift)
    var machine = Machine(world)
    _ = machine.translate(0x1000)
    machine.world.map2(0x9000_0000 + World.shift, 0xa000_0000)
    // Not in the TLB yet, but its intermediate page is.
    let answer = machine.translate(0x2000)
    #expect(answer.translation?.physicalAddress == 0x9000_0000)
    #expect(
      answer.stale?.missing == .tlbiS2IPA(vmid: 3, address: 0x9000_0000 + World.shift))
  }

  @Test func `a walk through stage 1 tables that stage 2 has moved is stale`() throws {
    var world = World.nested()
    world.map1(0x2000, 0x9000_0000 + World.shift)
    var machine = Machine(world)
    #expect(machine.translate(0x1000).stale == nil)
    // The same tables elsewhere, with another page for 0x2000.
    let tables: UInt64 = 0x8800_0000
    let elsewhere: UInt64 = 0xb000_0000
    let bytes = try machine.world.memory.read(tables, count: 0x20_0000)
    try machine.world.memory.write(bytes, at: elsewhere)
    let entry = machine.world.map1(0x2000, 0x9000_0000 + World.shift)
    machine.world.write(World.page1 | 0x9000_1000 + World.shift, at: entry - tables + elsewhere)
    machine.world.map2(0x9000_1000 + World.shift, 0xa000_0000)
    machine.world.map2(tables + World.shift, elsewhere, level: 2)
    let answer = machine.translate(0x2000)
    #expect(answer.translation?.physicalAddress == 0x9000_0000)
    let stale = try #require(answer.stale)
    machine.submit(.cfgiAll, stale.missing, .sync)
    #expect(machine.translate(0x2000).stale == nil)
    #expect(machine.address(0x2000) == 0xa000_0000)
  }

  @Test func `stage 2 alone names S2_IPA`() throws {
    var machine = Machine(.stage2())
    _ = machine.translate(0x1000)
    machine.world.map2(0x1000, 0, attributes: 0)
    let stale = try #require(machine.translate(0x1000).stale)
    #expect(stale.missing == .tlbiS2IPA(vmid: 3, address: 0x1000))
    machine.submit(stale.missing)
    #expect(machine.translate(0x1000).fault?.id == .translation)
  }

  @Test func `a permission that was given too late is a stale fault`() {
    var world = World()
    world.useStage1()
    world.map1(0x1000, 0x9000_0000, attributes: World.page1 | 1 << 7)
    var machine = Machine(world)
    _ = machine.translate(0x1000)
    machine.world.map1(0x1000, 0x9000_0000)
    let answer = machine.translate(0x1000, write: true)
    #expect(answer.fault?.id == .permission)
    #expect(answer.stale?.missing == .tlbiNHVA(vmid: 0, asid: 7, address: 0x1000))
  }

  @Test func `every missing command that the detector names is one that helps`() {
    // Random changes to the tables of nested streams; what the detector asks for is done until it
    // is content, and then the answer is that of the tables.
    var random = SplitMix64(seed: 7)
    for _ in 0..<200 {
      var machine = Machine(.nested(), queueLog2Size: 6)
      _ = machine.translate(0x1000)
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: machine.world.map1(0x1000, 0x9000_1000 + World.shift)
        case 1: machine.world.map2(0x9000_0000 + World.shift, 0xa000_0000)
        case 2: machine.world.cd.asid &+= 1
        case 3: machine.world.map2(0x9000_0000 + World.shift, 0, attributes: 0)
        default: machine.world.ste.s2VMID &+= 1
        }
      }
      machine.world.install()
      var steps = 0
      while let stale = machine.translate(0x1000).stale, steps < 8 {
        machine.submit(stale.missing, .sync)
        steps += 1
      }
      #expect(steps < 8)
      #expect(machine.address(0x1000) == machine.world.result(0x1000).address)
    }
  }
}
