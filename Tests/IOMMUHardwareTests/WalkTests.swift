// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IOMMUHardware

@Suite struct WalkTests {
  @Test(arguments: [
    (Granule.size4K, UInt64(25), [1, 2, 3]), (.size4K, 16, [1, 2, 3]), (.size4K, 39, [3]),
    (.size16K, 25, [2, 3]), (.size16K, 16, [2, 3]), (.size64K, 16, [2, 3]),
    (.size64K, 22, [2, 3]), (.size64K, 39, [3]),
  ])
  func `stage 1 maps pages and blocks in every granule`(
    granule: Granule, size: UInt64, levels: [Int]
  ) {
    for level in levels {
      var world = World()
      world.useStage1(granule: granule, size: size)
      world.install()
      let shift = UInt64(granule.shift(atLevel: level))
      let address = UInt64(5) << shift & UInt64.ones(64 - Int(size))
      world.map1(address, 9 << shift, level: level)
      let output: UInt64 = 9 << shift
      #expect(world.result(address | 0x123).address == UInt64(output | 0x123))
      let last = UInt64.ones(Int(shift))
      #expect(world.result(address | last).address == UInt64(output | last))
      #expect(world.result(address &+ 1 << shift).id == .translation)
    }
  }

  @Test(arguments: [
    (Granule.size4K, UInt64(24), UInt64(1), [1, 2, 3]), (.size4K, 16, 2, [1, 2, 3]),
    (.size4K, 28, 1, [2, 3]), (.size4K, 33, 0, [2, 3]), (.size16K, 24, 1, [2, 3]),
    (.size16K, 17, 2, [2, 3]), (.size64K, 24, 1, [2, 3]), (.size64K, 18, 2, [2, 3]),
  ])
  func `stage 2 maps pages and blocks in every granule, with tables put together at the start`(
    granule: Granule, size: UInt64, startLevel: UInt64, levels: [Int]
  ) {
    for level in levels {
      var world = World()
      world.useStage2(granule: granule, size: size, startLevel: startLevel)
      world.install()
      let shift = UInt64(granule.shift(atLevel: level))
      let top = UInt64.ones(64 - Int(size)) & ~UInt64.ones(Int(shift))
      world.map2(top, 9 << shift, level: level)
      let output: UInt64 = 9 << shift | 0x123
      #expect(world.result(top | 0x123).address == output)
      // Wider than any intermediate address is stage 1's fault, though it does not translate.
      let beyond = world.result(1 << (64 - size)).fault
      #expect(beyond?.id == (size == 16 ? .addrSize : .translation))
      #expect(beyond?.isStage2 == (size > 16))
    }
  }

  @Test func `the upper half has its own table, size and granule`() {
    var world = World()
    world.useStage1()
    world.map1(0x1_0000, 0x5000_0000)
    world.map1(0x3_0000, 0x6000_0000)
    // The lower half's tables become the upper half's.
    world.cd.ttb1 = world.cd.ttb0
    world.cd.t1SZ = world.cd.t0SZ
    world.cd.tg1 = 2
    world.cd.epd1 = false
    world.install()
    #expect(world.result(0x1_0123).address == 0x5000_0123)
    #expect(world.result(0xffff_ff80_0001_0123).address == 0x5000_0123)
    world.cd.epd0 = true
    world.install()
    #expect(world.result(0x1_0123).id == .translation)
    #expect(world.result(0xffff_ff80_0003_0000).address == 0x6000_0000)
    #expect(world.result(0xffff_ff00_0003_0000).id == .translation)
  }

  @Test func `addresses between the halves and with a strange top byte are faults`() {
    var world = World()
    world.useStage1()
    world.map1(0x1000, 0x9000_0000)
    world.install()
    #expect(world.result(0x1234).address == 0x9000_0234)
    #expect(world.result(1 << 39 | 0x1000).id == .translation)
    #expect(world.result(0x5a00_0000_0000_1000).id == .translation)
    world.cd.tbi = 1
    world.install()
    #expect(world.result(0x5a00_0000_0000_1234).address == 0x9000_0234)
  }

  @Test func `statement 77: a table of stage 1 that stage 2 does not map is of class TT`() {
    var world = nestedWorld()
    world.map1(0x1000, 0x9000_0000 + World.shift)
    world.cd.ttb0 = 0x77_0000_0000
    world.install()
    let fault = world.result(0x1234).fault
    #expect(fault?.id == .translation)
    #expect(fault?.isStage2 == true)
    #expect(fault?.faultClass == .tableWalk)
    #expect(fault?.detail == 0x77_0000_0000)
    guard let fault else { return }
    let record = EventRecord(fault, of: DeviceTransaction(streamID: 0x42, address: 0x1234))
    #expect(record.words == [0x42_0000_0010, 1 << 35 | 1 << 39 | 1 << 40, 0x1234, 0x77_0000_0000])
  }

  @Test func `statement 78: an unmapped descriptor is of class CD, an unmapped output of class IN`()
  {
    var world = nestedWorld()
    world.map1(0x1000, 0x9000_0000 + World.shift)
    world.install()
    #expect(world.result(0x1234).fault?.faultClass == .input)
    #expect(world.result(0x1234).fault?.isStage2 == true)
    #expect(world.result(0x1234).fault?.detail == 0x9000_0234 + World.shift)
    world.map2(0x9000_0000 + World.shift, 0x9abc_d000)
    #expect(world.result(0x1234).address == 0x9abc_d234)
    world.ste.s1ContextPtr = 0x66_0000_0040
    world.install()
    let fault = world.result(0x1234).fault
    #expect(fault?.id == .translation && fault?.isStage2 == true)
    #expect(fault?.faultClass == .contextDescriptor)
    #expect(fault?.detail == 0x66_0000_0040)
  }

  @Test func `statement 79: a block at level 3 is no translation, a clear access flag a fault`() {
    var world = World()
    world.useStage1()
    world.map1(0x1000, 0x9000_0000, attributes: World.page1 & World.block)
    world.map1(0x2000, 0x9000_0000, attributes: World.page1 & ~(1 << 10))
    world.install()
    #expect(world.result(0x1000).id == .translation)
    #expect(world.result(0x2000).id == .access)
    world.cd.affd = true
    world.install()
    #expect(world.result(0x2000).address == 0x9000_0000)
  }

  @Test func `statement 80: read-only pages of either stage refuse a write`() {
    var world = nestedWorld()
    world.map1(0x1000, 0x9000_0000 + World.shift, attributes: World.page1 | 1 << 7)
    world.map1(0x2000, 0x9000_1000 + World.shift)
    world.map2(0x9000_0000 + World.shift, 0x9000_0000)
    world.map2(0x9000_1000 + World.shift, 0x9000_1000, attributes: World.page2 & ~(1 << 7))
    world.install()
    #expect(world.result(0x1000).address == 0x9000_0000)
    let first = world.result(0x1000, write: true).fault
    #expect(first?.id == .permission && first?.isStage2 == false)
    #expect(world.result(0x2000).address == 0x9000_1000)
    let second = world.result(0x2000, write: true).fault
    #expect(second?.id == .permission && second?.isStage2 == true)
    guard let first else { return }
    let write = DeviceTransaction(streamID: 0, address: 0x1000, isWrite: true)
    #expect(!EventRecord(first, of: write).isRead)
  }

  @Test func `statement 81: a 2 MiB block over a 4 KiB page is a translation of 4 KiB`() throws {
    var world = nestedWorld()
    world.map1(0x20_0000, 0x9000_0000 + World.shift, level: 2)
    world.map2(0x9000_1000 + World.shift, 0x9abc_d000)
    world.install()
    let translation = try world.result(0x20_1234).get()
    #expect(translation.sizeLog2 == 12)
    #expect(translation.physicalAddress == 0x9abc_d234)
    #expect(world.result(0x20_0234).fault?.isStage2 == true)
  }

  @Test func `tables take permissions away, and nothing gives them back`() {
    for (bit, denied) in [
      (UInt64(1) << 62, DeviceTransaction(streamID: 0, address: 0x1000, isWrite: true)),
      (1 << 61, DeviceTransaction(streamID: 0, address: 0x1000)),
      (1 << 60, DeviceTransaction(streamID: 0, address: 0x1000, isInstruction: true)),
    ] {
      for tables in [UInt64(3), 3 | bit] {
        var world = World()
        world.useStage1()
        world.map1(0x1000, 0x9000_0000, tables: tables)
        world.install()
        let fault = world.result(
          0x1000, write: denied.isWrite, instruction: denied.isInstruction
        ).id
        #expect(fault == (tables == 3 ? nil : .permission))
      }
    }
  }

  @Test func `the privileged and the unprivileged have different pages`() {
    var world = World()
    world.useStage1()
    world.map1(0x1000, 0x9000_0000, attributes: World.page1 & ~(1 << 6))
    world.map1(0x2000, 0x9000_0000)
    world.install()
    #expect(world.result(0x1000).id == .permission)
    #expect(world.result(0x1000, privileged: true).address == 0x9000_0000)
    #expect(world.result(0x2000, privileged: true).address == 0x9000_0000)
    #expect(world.result(0x2000, privileged: true, instruction: true).id == .permission)
    world.cd.pan = true
    world.install()
    #expect(world.result(0x2000, privileged: true).id == .permission)
  }

  @Test func `what comes out of a stage is not wider than it may be`() {
    var world = World()
    world.useStage1()
    world.map1(0x1000, 1 << 40)
    world.map1(0x4000_0000, 0x9000_0000)
    world.install()
    #expect(world.result(0x1000).address == 0x100_0000_0000)
    world.cd.ips = 1
    world.install()
    #expect(world.result(0x1000).id == .addrSize)
    #expect(world.result(0x4000_0000).address == 0x9000_0000)
  }

  @Test func `tables where nothing exists abort the walk, with the address of the fetch`() {
    var world = World()
    world.useStage1()
    world.cd.ttb0 = 0x1000
    world.install()
    let fault = world.result(0x4000_0000).fault
    #expect(fault?.id == .walkEABT)
    #expect(fault?.detail == 0x1008)
    #expect(fault?.faultClass == .tableWalk)
    #expect(fault?.isStage2 == false)
  }

  @Test func `a table that is its own next table ends after the last level`() {
    var world = World()
    world.useStage1()
    world.install()
    world.write(world.cd.ttb0 | 3 | 1 << 10 | 1 << 6, at: world.cd.ttb0)
    #expect(world.result(0).address == world.cd.ttb0)
  }

  @Test func `stage 1 tables in device memory are forbidden by S2PTW`() {
    var world = nestedWorld()
    world.map1(0x1000, 0x9000_0000 + World.shift)
    world.map2(0x9000_0000 + World.shift, 0x9000_0000, attributes: World.page2 & ~(0xf << 2))
    world.install()
    #expect(world.result(0x1000).address == 0x9000_0000)
    let table = world.cd.ttb0 - World.shift
    world.map2(
      table & ~0x1f_ffff + World.shift, table & ~0x1f_ffff, level: 2,
      attributes: World.page2 & ~(0xf << 2))
    let fault = world.result(0x1000).fault
    #expect(fault?.id == .permission && fault?.isStage2 == true)
    #expect(fault?.faultClass == .tableWalk)
  }

  private func nestedWorld() -> World {
    var world = World()
    world.useStage2()
    world.useStage1()
    return world
  }
}
