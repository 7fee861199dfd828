// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IOMMUHardware

@Suite struct CacheTests {
  private func pages(_ machine: Machine, _ count: UInt64) -> [UInt64] {
    (1...count).filter { machine.translate($0 << 12).stale == nil }
  }

  @Test func `statement 71: an entry that changed is seen after CFGI_STE`() {
    for leaf in [true, false] {
      var machine = Machine(.stage1())
      #expect(machine.address(0x1234) == 0x9000_0234)
      machine.world.ste.config = .bypass
      machine.world.install()
      #expect(machine.address(0x1234) == 0x9000_0234)
      machine.submit(.cfgiSTE(1, leaf: leaf))
      #expect(machine.address(0x1234) == 0x9000_0234)
      machine.submit(.cfgiSTE(0, leaf: leaf))
      #expect(machine.address(0x1234) == 0x1234)
    }
  }

  @Test(arguments: [(UInt64(31), true), (4, true), (1, false)])
  func `statement 72: CFGI_STE_RANGE drops what is in its range, R = 31 everything`(
    range: UInt64, drops: Bool
  ) {
    var machine = Machine(.stage1())
    let port = machine.smmu.port(20)
    machine.world.install(stream: 20)
    let transaction = DeviceTransaction(streamID: 20, address: 0x1000)
    #expect(port.translate(transaction).translation?.physicalAddress == 0x9000_0000)
    machine.world.ste.config = .bypass
    machine.world.install(stream: 20)
    machine.submit(Command(dw0: 3 << 32 | 0x04, dw1: range))
    let now = port.translate(transaction).translation?.physicalAddress
    #expect(now == (drops ? 0x1000 : 0x9000_0000))
  }

  @Test func `a descriptor that changed is seen after CFGI_CD, CFGI_CD_ALL or CFGI_STE`() {
    for command in [
      Command.cfgiCD(0, 0), .cfgiCD(0, 0, leaf: false), .cfgiCDAll(0), .cfgiSTE(0), .cfgiAll,
    ] {
      var machine = Machine(.stage1())
      #expect(machine.address(0x1000) == 0x9000_0000)
      machine.world.cd.isValid = false
      machine.world.install()
      #expect(machine.address(0x1000) == 0x9000_0000)
      machine.submit(.cfgiCD(0, 1), .cfgiCD(1, 0))
      #expect(machine.address(0x1000) == 0x9000_0000)
      machine.submit(command)
      #expect(machine.translate(0x1000).fault?.id == .badCD)
    }
  }

  @Test func `statement 73: a range names its pages and no others`() {
    var machine = Machine(.stage1(pages: 40))
    for page in UInt64(1)...40 { _ = machine.translate(page << 12) }
    for page in UInt64(1)...40 { machine.world.map1(page << 12, 0xa000_0000 + page << 12) }
    machine.submit(
      .tlbiNHVA(vmid: 0, asid: 7, address: 0x5000).overRange(granule: 1, num: 3, scale: 2), .sync)
    let fresh = (UInt64(1)...40).filter { machine.address($0 << 12) == 0xa000_0000 + $0 << 12 }
    #expect(fresh == Array(5...20))
  }

  @Test(arguments: [
    (Command.tlbiNHVA(vmid: 0, asid: 7, address: 0x1000), true),
    (.tlbiNHVA(vmid: 0, asid: 7, address: 0x2000), false),
    (.tlbiNHVA(vmid: 0, asid: 8, address: 0x1000), false),
    (.tlbiNHVA(vmid: 1, asid: 7, address: 0x1000), false),
    (.tlbiNHVAA(vmid: 0, address: 0x1000), true), (.tlbiNHVAA(vmid: 0, address: 0x2000), false),
    (.tlbiNHASID(vmid: 0, asid: 7), true), (.tlbiNHASID(vmid: 0, asid: 6), false),
    (.tlbiNHAll(vmid: 0), true), (.tlbiNHAll(vmid: 1), false), (.tlbiNSNHAll, true),
    (.tlbiS12VMAll(vmid: 0), true), (.tlbiS2IPA(vmid: 0, address: 0x1000), false),
    (.cfgiAll, false),
    (
      .tlbiNHVA(vmid: 0, asid: 7, address: 0x1000).overRange(
        granule: 1, num: 0, scale: 0, level: 3),
      true
    ),
    (
      .tlbiNHVA(vmid: 0, asid: 7, address: 0x1000).overRange(
        granule: 1, num: 0, scale: 0, level: 2),
      false
    ),
    (
      .tlbiNHVA(vmid: 0, asid: 7, address: 0x1000).overRange(
        granule: 3, num: 0, scale: 0, level: 3),
      false
    ),
    (.tlbiNHVA(vmid: 0, asid: 7, address: 0).overRange(granule: 1, num: 31, scale: 20), true),
  ])
  func `a page of stage 1 goes with the commands that name it`(command: Command, drops: Bool) {
    var machine = Machine(.stage1())
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.world.map1(0x1000, 0xa000_0000)
    machine.submit(command, .sync)
    #expect(machine.commandError == 0)
    #expect(machine.address(0x1000) == (drops ? 0xa000_0000 : 0x9000_0000))
  }

  @Test func `a global page is every address space's, and stays when one of them goes`() {
    var world = World.stage1()
    world.map1(0x1000, 0x9000_0000, attributes: World.page1 & ~(1 << 11))
    var machine = Machine(world)
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.world.map1(0x1000, 0xa000_0000)
    machine.submit(.tlbiNHASID(vmid: 0, asid: 7))
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.world.cd.asid = 8
    machine.world.install()
    machine.submit(.cfgiCD(0, 0))
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.submit(.tlbiNHVA(vmid: 0, asid: 8, address: 0x1000))
    #expect(machine.address(0x1000) == 0xa000_0000)
  }

  @Test func `statement 81: an invalidation of one page takes the one entry of 4 KiB`() {
    for dropsWholeBlocks in [false, true] {
      var world = World.nested()
      world.map1(0x20_0000, 0x9100_0000 + World.shift, level: 2)
      for page in UInt64(0)..<2 {
        world.map2(0x9100_0000 + page << 12 + World.shift, 0x9200_0000 + page << 12)
      }
      var behaviour = SMMUv3Behaviour()
      behaviour.dropsWholeBlocks = dropsWholeBlocks
      var machine = Machine(world, behaviour: behaviour)
      #expect(machine.address(0x20_0000) == 0x9200_0000)
      #expect(machine.address(0x20_1000) == 0x9200_1000)
      machine.world.map1(0x20_0000, 0x9000_0000 + World.shift, level: 2)
      machine.submit(.tlbiNHVA(vmid: 3, asid: 7, address: 0x20_1000))
      #expect(machine.address(0x20_1000) == nil)
      #expect(machine.address(0x20_0000) == (dropsWholeBlocks ? 0x9000_0000 : 0x9200_0000))
    }
  }

  @Test func `statement 82: NH_ALL of one VMID leaves those of another`() {
    var machine = Machine(.nested())
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.world.map1(0x1000, 0x7000_0000)
    machine.submit(.tlbiNHAll(vmid: 4), .tlbiNHAll(vmid: 3 + 64))
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.submit(.tlbiNHAll(vmid: 3))
    #expect(machine.translate(0x1000).fault?.isStage2 == true)
  }

  @Test func `stage 2's pages go with S2_IPA, what both stages made with NH_ALL`() {
    var machine = Machine(.nested())
    let intermediate = 0x9000_0000 + World.shift
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.world.map2(intermediate, 0xa000_0000)
    machine.submit(.tlbiS2IPA(vmid: 3, address: intermediate))
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.submit(.tlbiNHAll(vmid: 3))
    #expect(machine.address(0x1000) == 0xa000_0000)
    machine.world.map2(intermediate, 0xb000_0000)
    // Stage 2's own entry is still the old one.
    machine.submit(.tlbiNHAll(vmid: 3))
    #expect(machine.address(0x1000) == 0xa000_0000)
    machine.submit(.tlbiS12VMAll(vmid: 3))
    #expect(machine.address(0x1000) == 0xb000_0000)
  }

  @Test func `a stream with stage 2 alone uses stage 2's entries`() {
    var machine = Machine(.stage2())
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.world.map2(0x1000, 0xa000_0000)
    machine.submit(.tlbiNHAll(vmid: 3), .tlbiS2IPA(vmid: 4, address: 0x1000))
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.submit(.tlbiS2IPA(vmid: 3, address: 0x1000))
    #expect(machine.address(0x1000) == 0xa000_0000)
  }

  @Test func `devices with one address space share its translations`() {
    var machine = Machine(.stage1())
    let other = machine.smmu.port(9)
    machine.world.install(stream: 9)
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.world.map1(0x1000, 0xa000_0000)
    let answer = other.translate(DeviceTransaction(streamID: 9, address: 0x1000))
    #expect(answer.translation?.physicalAddress == 0x9000_0000)
  }

  @Test func `a full TLB forgets old entries and never gives a wrong one`() {
    var world = World()
    world.useStage1()
    for page in UInt64(0)..<6000 { world.map1(page << 12, 0x1_0000_0000 + page << 12) }
    let machine = Machine(world)
    for _ in 0..<2 {
      for page in UInt64(0)..<6000 {
        let output: UInt64 = 0x1_0000_0000 + page << 12 | 8
        #expect(machine.address(page << 12 | 8) == output)
      }
    }
    #expect(machine.smmu.core.tlb.count <= 4096)
    #expect(machine.smmu.core.tlb.count > 2000)
    machine.submit(.tlbiNSNHAll)
    #expect(machine.smmu.core.tlb.count == 0)
  }

  @Test func `permissions are checked on a hit as on a walk`() {
    for world in [World.stage1(), .nested()] {
      var world = world
      world.map1(
        0x1000, world.ste.config == .nested ? 0x9000_0000 + World.shift : 0x9000_0000,
        attributes: World.page1 | 1 << 7)
      let machine = Machine(world)
      #expect(machine.address(0x1000) == 0x9000_0000)
      let answer = machine.translate(0x1000, write: true)
      #expect(answer.fault?.id == .permission)
      #expect(answer.fault?.isStage2 == false)
      #expect(answer.stale == nil)
    }
  }

  @Test func `the hardware sets access flags and dirty states where it is told to`() {
    var world = World()
    world.useStage1()
    world.cd.ha = true
    world.cd.hd = true
    let clean = World.page1 & ~(1 << 10) | 1 << 7 | 1 << 51
    let entry = world.map1(0x1000, 0x9000_0000, attributes: clean)
    let machine = Machine(world)
    #expect(machine.address(0x1000) == 0x9000_0000)
    #expect(machine.world.read(entry) == 0x9000_0000 | clean | 1 << 10)
    #expect(machine.translate(0x1000, write: true).translation != nil)
    #expect(machine.world.read(entry) == 0x9000_0000 | clean & ~(1 << 7) | 1 << 10)
    #expect(machine.translate(0x1000, write: true).stale == nil)
  }

  @Test func `stage 2 keeps dirty states too, also for stage 1's tables`() {
    var world = World()
    world.useStage2()
    world.ste.s2HA = true
    world.ste.s2HD = true
    let clean = World.page2 & ~(1 << 7) & ~(1 << 10) | 1 << 51
    let entry = world.map2(0x1000, 0x9000_0000, attributes: clean)
    let machine = Machine(world)
    #expect(machine.address(0x1000) == 0x9000_0000)
    #expect(machine.world.read(entry) & (1 << 10 | 1 << 7) == 1 << 10)
    #expect(machine.translate(0x1000, write: true).translation != nil)
    #expect(machine.world.read(entry) & (1 << 10 | 1 << 7) == 1 << 10 | 1 << 7)
  }
}
