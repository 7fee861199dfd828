// SPDX-License-Identifier: Apache-2.0
import SeededRandom
import Testing

@testable import IOMMUHardware

@Suite struct CMDQVExecutionTests {
  // MARK: The TLB

  @Test(
    arguments: [
      (Command.tlbiNHVA(vmid: 5, asid: 7, address: 0x1000), [0x1000]),
      (.tlbiNHVA(vmid: 9, asid: 7, address: 0x1000), [0x1000]),
      (.tlbiNHVA(vmid: 6, asid: 7, address: 0x1000), [0x1000]),
      (.tlbiNHVA(vmid: 0, asid: 7, address: 0x1000), [0x1000]),
      (.tlbiNHVA(vmid: 5, asid: 8, address: 0x1000), []),
      (.tlbiNHVA(vmid: 5, asid: 7, address: 0x9000), []),
      (.tlbiNHASID(vmid: 6, asid: 7), [0x1000, 0x2000]), (.tlbiNHASID(vmid: 5, asid: 6), []),
      (
        Command.tlbiNHVA(vmid: 0, asid: 7, address: 0x1000).overRange(
          granule: 1, num: 1, scale: 0, level: 3), [0x1000, 0x2000]
      ),
      (
        Command.tlbiNHVA(vmid: 0, asid: 7, address: 0x2000).overRange(
          granule: 1, num: 31, scale: 20, level: 3), [0x2000]
      ),
    ] as [(Command, [UInt64])])
  func `statement 93: a guest's TLBI acts under its interface's VMID`(
    command: Command, dropped: [UInt64]
  ) {
    var machine = CMDQVMachine()
    let streams: [UInt32] = [11, 12]
    for stream in streams {
      for page in [UInt64(0x1000), 0x2000] { _ = machine.page(stream, page) }
    }
    for page in [UInt64(0x1000), 0x2000] { machine.smmu.world.map1(page, 0xb000_0000 + page) }
    machine.submit(1, 0, command, .sync)
    #expect(machine.error(1, 0) == 0)
    for page in [UInt64(0x1000), 0x2000] {
      let old = 0x9000_0000 + page - 0x1000
      let new = 0xb000_0000 + page
      #expect(machine.page(11, page) == (dropped.contains(page) ? new : old))
      // The other guest's translation bears the same ASID and addresses.
      #expect(machine.page(12, page) == old)
    }
  }

  @Test func `without stage 2 there are no VMIDs to act under`() {
    var features = SMMUv3Features()
    features.s2p = false
    var machine = CMDQVMachine(features: features)
    #expect(machine.page(11, 0x1000) == 0x9000_0000)
    machine.smmu.world.map1(0x1000, 0xb000_0000)
    machine.submit(1, 0, .tlbiNHVA(vmid: 3, asid: 7, address: 0x1000))
    #expect(machine.page(11, 0x1000) == 0xb000_0000)
  }

  @Test func `a page that no CMD_SYNC follows is gone at the end of the batch`() {
    var machine = CMDQVMachine()
    // Twice: the second translation comes from the device's own copy.
    for _ in 0..<2 { #expect(machine.page(11, 0x1000) == 0x9000_0000) }
    machine.smmu.world.map1(0x1000, 0xb000_0000)
    machine.submit(1, 0, .tlbiNHVA(vmid: 0, asid: 7, address: 0x1000))
    #expect(machine.page(11, 0x1000) == 0xb000_0000)
  }

  @Test func `HYP_OWN has every command carried out as it is`() {
    var machine = CMDQVMachine()
    for stream in [UInt32(11), 12] { _ = machine.page(stream, 0x1000) }
    machine.touch(1, 0x1000)
    machine.smmu.world.map1(0x1000, 0xb000_0000)
    machine.submit(0, 1, .tlbiNHVA(vmid: 6, asid: 7, address: 0x1000), .sync)
    #expect(machine.page(11, 0x1000) == 0x9000_0000)
    #expect(machine.page(12, 0x1000) == 0xb000_0000)
    // The streams are the SMMU's.
    machine.submit(0, 1, .atcInv(1, nil, address: 0x1000, sizeLog2: 0))
    #expect(machine.port(1).atcCount == 0)
    machine.submit(
      0, 1, .tlbiNHAll(vmid: 5), .cfgiAll, .tlbiNSNHAll, .stallTerm(1),
      .priResp(1, nil, group: 1, response: 2), .sync(messageAddress: 0, data: 0),
      Command(dw0: 0x0fc0_2046, dw1: 0))
    #expect(machine.page(11, 0x1000) == 0xb000_0000)
    #expect(machine.error(0, 1) == 0)
    #expect(machine.cons(0, 1) == 10)
    #expect(machine.smmu.recorder.take().count == 3)
    machine.submit(0, 1, Command(dw0: 0x7f, dw1: 0))
    #expect(machine.error(0, 1) == 1)
  }

  // MARK: SID slots

  @Test func `statement 92: an ATC_INV names a stream by the guest's ID`() {
    let machine = CMDQVMachine()
    machine.touch(1, 0x1000)
    machine.touch(2, 0x1000)
    machine.submit(1, 1, .atcInv(0x10, nil, address: 0x2000, sizeLog2: 0), .sync)
    #expect(machine.port(1).atcCount == 1)
    machine.submit(1, 1, .atcInv(0x10, nil, address: 0, sizeLog2: 52), .sync)
    #expect(machine.port(1).atcCount == 0)
    #expect(machine.port(2).atcCount == 1)
    // A device that nobody ever used, and one that another guest has.
    machine.write(machine.replace(1, 1), 0x42)
    machine.submit(1, 1, .atcInv(0x11, nil, address: 0, sizeLog2: 52))
    #expect(machine.error(1, 1) == 0)
    machine.submit(1, 1, .atcInv(2, nil, address: 0, sizeLog2: 52))
    #expect(machine.error(1, 1) == 4)
    #expect(machine.port(2).atcCount == 1)
  }

  @Test(arguments: [1, 2, 4, 16])
  func `every slot is found, and of two with one ID the first`(slots: Int) {
    let size = Tegra241CMDQV.Size(vintfs: 4, vcmdqs: 8, sidsPerVINTF: slots)
    let machine = CMDQVMachine(size: size, isUp: false)
    machine.write(0x000, 1)
    machine.bringUp(1, 5 << 1)
    var random = SplitMix64(seed: UInt64(slots))
    for _ in 0..<200 {
      let ids = (0..<slots).map { _ in random.next() & (random.next() & 1 == 0 ? 7 : 0xf_ffff) }
      for slot in 0..<slots {
        machine.write(machine.match(1, slot), 0)
        machine.write(machine.replace(1, slot), UInt64(0x1000 + slot))
        machine.write(machine.match(1, slot), ids[slot] << 1 | (random.next() & 3 == 0 ? 0 : 1))
      }
      let isOn = (0..<slots).map { machine.read(machine.match(1, $0)) & 1 == 1 }
      for id in ids + [random.next() & 0xf_ffff] {
        let first = (0..<slots).first { isOn[$0] && ids[$0] == id }
        let prod = machine.window(1, 0, LVCMDQ.prod)
        machine.put(
          .atcInv(UInt32(id), nil, address: 0, sizeLog2: 0), 2, at: prod)
        let done = machine.cmdqv.submit(1, 0, prod: UInt32((prod + 1) & 31))
        #expect(done.first?.executed?.streamID == first.map { UInt32(0x1000 + $0) })
        if first == nil { machine.recover(1, 0) }
      }
    }
  }

  @Test func `a stream ID of more than 20 bits matches nothing`() {
    let machine = CMDQVMachine()
    for stream in [UInt32.max, 0x10_0010, 0x8000_0010] {
      machine.submit(1, 0, .atcInv(stream, nil, address: 0, sizeLog2: 52))
      #expect(machine.error(1, 0) == 4)
      machine.recover(1, 0)
      #expect(machine.error(1, 0) == 4 && machine.cons(1, 0) == machine.window(1, 0, LVCMDQ.prod))
    }
  }

  @Test func `a slot that changes is seen by the next command`() {
    let machine = CMDQVMachine()
    machine.touch(1, 0x1000)
    machine.submit(1, 0, .atcInv(0x10, nil, address: 0x2000, sizeLog2: 0))
    machine.write(machine.match(1, 0), 0x20 << 1 | 1)
    machine.submit(1, 0, .atcInv(0x20, nil, address: 0, sizeLog2: 52))
    #expect(machine.port(1).atcCount == 0)
    machine.submit(1, 0, .atcInv(0x10, nil, address: 0, sizeLog2: 52))
    #expect(machine.error(1, 0) == 4)
    machine.write(machine.match(1, 0), 0x20 << 1)
    machine.submit(1, 1, .atcInv(0x20, nil, address: 0, sizeLog2: 52))
    #expect(machine.error(1, 1) == 4)
  }

  @Test func `a slot's new stream is the one that is told`() {
    let machine = CMDQVMachine()
    machine.touch(1, 0x1000)
    machine.touch(2, 0x1000)
    machine.submit(1, 0, .atcInv(0x10, nil, address: 0x2000, sizeLog2: 0))
    machine.write(machine.replace(1, 0), 2)
    machine.submit(1, 0, .atcInv(0x10, nil, address: 0, sizeLog2: 52))
    #expect(machine.port(1).atcCount == 1)
    #expect(machine.port(2).atcCount == 0)
  }

  @Test func `an SMMU that is off sends no ATC_INV`() {
    let machine = CMDQVMachine()
    machine.touch(1, 0x1000)
    machine.port(1).setAnswersInvalidations(false)
    machine.smmu.write(.cr0, 0x1e)
    machine.submit(1, 0, .atcInv(0x10, nil, address: 0, sizeLog2: 52), .sync)
    #expect(machine.error(1, 0) == 0)
    #expect(machine.port(1).atcCount == 1)
    // Without a slot it is refused all the same.
    machine.submit(1, 0, .atcInv(0x77, nil, address: 0, sizeLog2: 52))
    #expect(machine.error(1, 0) == 4)
  }

  // MARK: The list of commands

  @Test(arguments: CommandLayout.all.map { UInt64($0.opcode.rawValue) } + [0x00, 0x07, 0x7f, 0xff])
  func `a guest may give four commands, and no other`(opcode: UInt64) {
    let machine = CMDQVMachine()
    var command = Command(dw0: opcode, dw1: 0)
    if opcode == 0x40 { command.dw0 |= 0x10 << 32 }
    machine.submit(1, 0, command)
    #expect(machine.error(1, 0) == ([0x11, 0x12, 0x40, 0x46].contains(opcode) ? 0 : 1))
  }

  @Test(
    arguments: [
      (Command(dw0: 0x0fc0_0046, dw1: 0), 0, 0), (Command(dw0: 0x0fc0_1046, dw1: 0), 1, 0),
      (Command(dw0: 0x0fc0_2046, dw1: 0), 1, 0), (Command(dw0: 0x3046, dw1: 0), 1, 1),
      (Command(dw0: 0x446, dw1: 0), 1, 1),
    ] as [(Command, UInt64, UInt64)])
  func `a guest's SYNC signals nothing, and may not ask to`(
    command: Command, error: UInt64, ignoring: UInt64
  ) {
    var behaviour = Tegra241CMDQV.Behaviour()
    for expected in [error, ignoring] {
      let machine = CMDQVMachine(behaviour)
      _ = machine.smmu.recorder.take()
      machine.submit(1, 0, command)
      #expect(machine.error(1, 0) == expected)
      #expect(machine.smmu.recorder.take().isEmpty)
      behaviour.guestSignals = .areIgnored
    }
  }

  @Test func `what the SMMU cannot decode it cannot decode here`() {
    let cases: [(Command, @Sendable (inout SMMUv3Features) -> Void)] = [
      (.tlbiNHVA(vmid: 0, asid: 7, address: 0).overRange(granule: 0, num: 1, scale: 0), { _ in }),
      (.tlbiNHVA(vmid: 0, asid: 7, address: 0).overRange(granule: 1, num: 0, scale: 0), { _ in }),
      (
        .tlbiNHVA(vmid: 0, asid: 7, address: 0).overRange(
          granule: 2, num: 0, scale: 0, level: 1), { _ in }
      ),
      (Command(dw0: 1 << 10 | 0x11, dw1: 0), { _ in }),
      (.atcInv(0x10, nil, address: 0, sizeLog2: 53), { _ in }),
      (.atcInv(0x10, nil, address: 0, sizeLog2: 0), { $0.ats = false }),
    ]
    for (command, change) in cases {
      var features = SMMUv3Features()
      change(&features)
      let machine = CMDQVMachine(features: features)
      machine.submit(1, 0, command)
      #expect(machine.error(1, 0) == 1, "\(command.description)")
      machine.submit(0, 0, command)
      #expect(machine.error(0, 0) == 1, "\(command.description)")
    }
  }

  // MARK: Rings

  @Test func `indices wrap, and a full ring is done once`() {
    let machine = CMDQVMachine()
    for round in UInt64(0)..<70 {
      for index in UInt64(0)..<16 {
        machine.put(index & 1 == 0 ? .tlbiNHASID(vmid: 0, asid: 1) : .sync, 2, at: index)
      }
      let prod = (machine.cons(1, 0) + round % 17) & 31
      machine.window(1, 0, LVCMDQ.prod, prod)
      #expect(machine.cons(1, 0) == prod)
    }
    #expect(machine.cmdqv.queue(2).counters.commands == (0..<70).reduce(0) { $0 + $1 % 17 })
  }

  @Test(arguments: [(UInt64(1), 32), (4, 4), (19, 4), (0, 7)])
  func `a ring's size is bounded by the SMMU's greatest`(log2Size: UInt64, cmdqs: Int) {
    var features = SMMUv3Features()
    features.cmdqs = min(cmdqs, 19)
    let machine = CMDQVMachine(features: features)
    machine.write(machine.page1(1, 0, LVCMDQ.base), machine.ring(2) | log2Size, width: 8)
    let effective = min(log2Size, UInt64(features.cmdqs))
    #expect(UInt64(machine.cmdqv.queue(2).log2Size) == effective)
    for index in UInt64(0)..<16 { machine.put(.sync, 2, at: index) }
    // PROD beyond the ring is cut to it.
    machine.window(1, 0, LVCMDQ.prod, 0xf_ffff & ~UInt64.ones(Int(effective) + 1) | 1 << effective)
    #expect(machine.error(1, 0) == 0)
    #expect(machine.cons(1, 0) == 1 << effective)
    #expect(machine.cmdqv.queue(2).counters.commands == 1 << effective)
  }

  @Test func `a ring of the greatest size is one write's work`() {
    let machine = CMDQVMachine()
    machine.write(machine.page1(1, 0, LVCMDQ.base), 0xd000_0000 | 19, width: 8)
    let words = [Command.tlbiNHVA(vmid: 0, asid: 1, address: 0x1000).words, Command.sync.words]
      .joined().flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    let block = [UInt8]((0..<128).map { _ in words }.joined())
    for part in UInt64(0)..<2048 {
      do { try machine.smmu.world.memory.write(block, at: 0xd000_0000 + part * 4096) } catch {
        Issue.record("\(error)")
      }
    }
    machine.window(1, 0, LVCMDQ.prod, 1 << 19)
    #expect(machine.cons(1, 0) == 1 << 19)
    #expect(machine.cmdqv.queue(2).counters.commands == 1 << 19)
  }

  @Test func `a ring that was never written contains zeros, and nothing of another ring`() {
    let machine = CMDQVMachine()
    machine.submit(1, 0, .sync, .sync, .sync)
    machine.write(machine.page1(1, 0, LVCMDQ.base), 0xe000_0000 | 4, width: 8)
    machine.put(.sync, 2, at: 3)
    let done = machine.cmdqv.submit(1, 0, prod: 5)
    #expect(done == [.init(index: 3, guest: Command(dw0: 0, dw1: 0), error: .illegal)])
  }

  @Test func `a base that is not aligned to the ring is rounded down`() {
    let machine = CMDQVMachine()
    machine.write(machine.page1(1, 0, LVCMDQ.base), machine.ring(2) | 0xe0 | 4, width: 8)
    machine.submit(1, 0, .sync, .sync)
    #expect(machine.cons(1, 0) == 2)
  }

  // MARK: Who runs a queue

  @Test func `a deferred queue rings its doorbell and waits to be run`() {
    let machine = CMDQVMachine()
    machine.cmdqv.setDeferred(true, queue: 2)
    machine.submit(1, 0, .sync, .sync, Command(dw0: 0, dw1: 0), .sync)
    #expect(machine.recorder.takeDoorbells() == [2])
    #expect(machine.cons(1, 0) == 0)
    #expect(machine.cmdqv.queue(2).hasWork)
    #expect(machine.cmdqv.run(2, limit: 1))
    #expect(machine.cons(1, 0) == 1)
    #expect(!machine.cmdqv.run(2, limit: 1000))
    #expect(machine.cons(1, 0) == 2 && machine.error(1, 0) == 1)
    #expect(machine.recorder.takeInterrupts() == 1)
    // A write that gives it no work rings nothing.
    machine.window(1, 0, LVCMDQ.prod, 5)
    #expect(machine.recorder.takeDoorbells().isEmpty)
    machine.recover(1, 0)
    #expect(machine.recorder.takeDoorbells() == [2])
    #expect(machine.cmdqv.run(2, limit: 0))
    #expect(machine.cmdqv.run(2, limit: -1))
    #expect(!machine.cmdqv.run(2, limit: .max) || machine.error(1, 0) != 0)
    #expect(!machine.cmdqv.run(99, limit: 1) && !machine.cmdqv.run(-1, limit: 1))
    machine.cmdqv.setDeferred(true, queue: 99)
    machine.cmdqv.setDeferred(false, queue: 2)
    machine.recover(1, 0)
    #expect(machine.recorder.takeDoorbells().isEmpty)
  }

  @Test func `submit says what became of each command`() {
    let machine = CMDQVMachine()
    machine.cmdqv.setDeferred(true, queue: 2)
    let commands: [Command] = [
      .tlbiNHVA(vmid: 9, asid: 7, address: 0x1000), .atcInv(0x10, 3, address: 0, sizeLog2: 52),
      .sync, .cfgiSTE(1), .sync,
    ]
    for (index, command) in commands.enumerated() { machine.put(command, 2, at: UInt64(index)) }
    let expected: [Tegra241CMDQV.ExecutedCommand] = [
      .init(
        index: 0, guest: commands[0], executed: .tlbiNHVA(vmid: 5, asid: 7, address: 0x1000)),
      .init(
        index: 1, guest: commands[1], executed: .atcInv(1, 3, address: 0, sizeLog2: 52)),
      .init(index: 2, guest: .sync, executed: .sync),
      .init(index: 3, guest: commands[3], executed: nil, error: .illegal),
    ]
    #expect(machine.cmdqv.submit(1, 0, prod: 5) == expected)
    #expect(machine.cons(1, 0) == 3)
    #expect(machine.cmdqv.submit(1, 0, prod: 5).isEmpty)
    #expect(machine.cmdqv.submit(1, 2, prod: 1).isEmpty)
    #expect(machine.cmdqv.submit(7, 0, prod: 1).isEmpty)
    #expect(machine.cmdqv.submit(-1, -1, prod: 1).isEmpty)
  }
}
