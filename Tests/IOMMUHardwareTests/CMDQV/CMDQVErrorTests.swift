// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IOMMUHardware

@Suite struct CMDQVErrorTests {
  // MARK: Codes and recovery

  @Test func `statement 94: a refused command stops its queue and no other`() {
    let machine = CMDQVMachine()
    machine.submit(1, 0, .sync, .cfgiSTE(1), .sync)
    #expect(machine.error(1, 0) == 1)
    #expect(machine.cons(1, 0) == 1)
    #expect(machine.window(1, 0, LVCMDQ.gerror) == 1)
    #expect(machine.recorder.takeInterrupts() == 1)
    for (vintf, logical) in [(1, 1), (2, 0), (0, 0)] {
      machine.submit(vintf, logical, .sync)
      #expect(machine.cons(vintf, logical) == 1)
      #expect(machine.window(vintf, logical, LVCMDQ.gerror) == 0)
    }
    // More work does not move it, nor does switching it off and on.
    machine.submit(1, 0, .sync)
    machine.window(1, 0, LVCMDQ.config, 0)
    machine.window(1, 0, LVCMDQ.config, 1)
    #expect(machine.cons(1, 0) == 1)
    #expect(machine.recorder.takeInterrupts() == 0)
  }

  @Test(
    arguments: [
      (Command.cfgiAll, 1), (.atcInv(0x55, nil, address: 0, sizeLog2: 0), 4),
    ] as [(Command, UInt64)])
  func `a SYNC in the place of what was refused, and an acknowledgement, run it on`(
    command: Command, code: UInt64
  ) {
    let machine = CMDQVMachine()
    machine.submit(1, 0, command, .sync)
    #expect(machine.error(1, 0) == code)
    // The acknowledgement alone meets the same command.
    machine.window(1, 0, LVCMDQ.gerrorn, 1)
    #expect(machine.window(1, 0, LVCMDQ.gerror) == 0)
    #expect(machine.recorder.takeInterrupts() == 2)
    machine.recover(1, 0)
    #expect(machine.cons(1, 0) == 2)
    #expect(machine.window(1, 0, LVCMDQ.gerror) == machine.window(1, 0, LVCMDQ.gerrorn))
    // ERR says what it said until the next error.
    #expect(machine.error(1, 0) == code)
    #expect(machine.recorder.takeInterrupts() == 0)
  }

  @Test func `ERR is the last error's alone`() {
    let machine = CMDQVMachine()
    let unmatched = Command.atcInv(0x55, nil, address: 0, sizeLog2: 0)
    machine.submit(1, 0, .cfgiAll, unmatched, .cfgiAll, unmatched)
    for code in [UInt64(1), 4, 1, 4] {
      #expect(machine.error(1, 0) == code)
      machine.recover(1, 0)
    }
    machine.write(machine.page1(1, 0, LVCMDQ.base), 0x1000 | 4, width: 8)
    machine.window(1, 0, LVCMDQ.prod, 5)
    #expect(machine.window(1, 0, LVCMDQ.cons) == 2 << 24 | 4)
  }

  @Test func `a ring that ends with the memory is fetched up to there`() {
    let machine = CMDQVMachine()
    let end = machine.smmu.world.memory.range.upperBound
    // The first half of a page lies in memory.
    #expect(end & 0xfff == 0)
    machine.write(machine.page1(1, 0, LVCMDQ.base), end & 0xffff_ffff_ffff | 4, width: 8)
    machine.window(1, 0, LVCMDQ.prod, 3)
    #expect(machine.error(1, 0) == 2)
    #expect(machine.cons(1, 0) == 0)
    let queue = machine.cmdqv.queue(2)
    #expect(queue.counters == VCMDQCounters(commands: 0, errors: 1))
    // Tried again after the acknowledgement, at a ring that is there.
    machine.write(machine.page1(1, 0, LVCMDQ.base), machine.ring(2) | 4, width: 8)
    for index in UInt64(0)..<3 { machine.put(.sync, 2, at: index) }
    machine.window(1, 0, LVCMDQ.gerrorn, 1)
    #expect(machine.cons(1, 0) == 3)
  }

  @Test func `commands before the end of the memory are carried out`() {
    let memory = PhysicalMemory(base: 0x8000_0000, size: 0x2000)
    let smmu = SMMUv3(memory: memory)
    let cmdqv = Tegra241CMDQV(
      smmu: smmu, size: .init(vintfs: 1, vcmdqs: 1, sidsPerVINTF: 1), sink: nil)
    let writes: [(UInt32, UInt64, Int)] = [
      (0, 1, 4), (0x1000, 1, 4), (0x200, 1, 4), (0x4_0000, 0x8000_0000 | 10, 8),
      (0x3_0000, 100, 4), (0x3_0004, 100, 4), (0x3_0008, 1, 4),
    ]
    do {
      for index in UInt64(0)..<512 { try memory.write64(0x46, at: 0x8000_0000 + index * 16) }
      for (offset, value, width) in writes {
        try cmdqv.writeRegister(offset, value, width: width)
      }
      try cmdqv.writeWindow(0, 4, 600, width: 4)
      #expect(try cmdqv.readWindow(0, 0, width: 4) == 512 | 2 << 24)
    } catch { Issue.record("\(error)") }
  }

  @Test func `statement Q25: an ATC_INV without an answer fails its queue's next SYNC, once`() {
    let machine = CMDQVMachine()
    machine.port(1).setAnswersInvalidations(false)
    machine.submit(
      1, 0, .atcInv(0x10, nil, address: 0, sizeLog2: 52), .tlbiNHASID(vmid: 0, asid: 1), .sync,
      .sync)
    #expect(machine.error(1, 0) == 3)
    #expect(machine.cons(1, 0) == 2)
    #expect(machine.recorder.takeInterrupts() == 1)
    machine.recover(1, 0)
    #expect(machine.cons(1, 0) == 4)
  }

  @Test func `a timeout is no other queue's, while its own runs`() {
    let machine = CMDQVMachine()
    machine.port(1).setAnswersInvalidations(false)
    machine.submit(1, 0, .atcInv(0x10, nil, address: 0, sizeLog2: 52))
    machine.smmu.submit(.sync)
    #expect(machine.smmu.commandError == 0)
    for (vintf, logical) in [(1, 1), (2, 0), (0, 0)] {
      machine.submit(vintf, logical, .sync)
      #expect(machine.error(vintf, logical) == 0)
    }
    machine.submit(1, 0, .sync)
    #expect(machine.error(1, 0) == 3)
  }

  @Test func `statement 115: the SMMU's own SYNC flushes what a disabled queue has left`() {
    for isFlushed in [true, false] {
      let machine = CMDQVMachine()
      machine.port(1).setAnswersInvalidations(false)
      machine.submit(1, 0, .atcInv(0x10, nil, address: 0, sizeLog2: 52))
      machine.window(1, 0, LVCMDQ.config, 0)
      if isFlushed {
        machine.smmu.submit(.sync)
        #expect(machine.smmu.commandError == 3)
        machine.smmu.write(.gerrorn, machine.smmu.read(.gerror))
        #expect(machine.smmu.read(.cmdqCons) & 0xf_ffff == 1)
      }
      machine.window(1, 0, LVCMDQ.config, 1)
      machine.submit(1, 0, .sync)
      #expect(machine.error(1, 0) == (isFlushed ? 0 : 3))
    }
  }

  @Test(arguments: [0x200 + 8, 0x1100, 0x000])
  func `a timeout outlives a queue that is unmapped or whose interface is off`(offset: Int) {
    let machine = CMDQVMachine()
    machine.port(1).setAnswersInvalidations(false)
    machine.submit(1, 0, .atcInv(0x10, nil, address: 0, sizeLog2: 52))
    machine.write(offset, 0)
    machine.submit(2, 0, .sync)
    #expect(machine.error(2, 0) == 0)
    machine.smmu.submit(.sync)
    #expect(machine.smmu.commandError == 3)
  }

  // MARK: Error maps

  @Test func `an error is in all three maps until it is acknowledged`() {
    let machine = CMDQVMachine()
    machine.submit(2, 1, .cfgiAll)
    #expect(machine.read(0x014) == 1 << 2)
    #expect(machine.read(0x018) == 0)
    #expect(machine.read(0x024) == 1 << 5)
    #expect(machine.read(machine.interface(2) + 0xc0, width: 8) == 2)
    #expect(machine.read(machine.interface(1) + 0xc0, width: 8) == 0)
    #expect(machine.read(machine.interface(2) + 4) == 2 << 16 | 1 << 1 | 1)
    #expect(machine.cmdqv.interface(2).status == 1)
    #expect(machine.cmdqv.interface(2).errorMap == [2, 0])
    machine.submit(2, 0, .cfgiAll)
    #expect(machine.read(machine.interface(2) + 0xc0) == 3)
    #expect(machine.read(0x024) == 3 << 4)
    machine.recover(2, 1)
    #expect(machine.read(machine.interface(2) + 0xc0) == 1)
    #expect(machine.read(0x014) == 1 << 2)
    machine.recover(2, 0)
    #expect(machine.read(machine.interface(2) + 0xc0) == 0)
    #expect(machine.read(0x014) == 0)
    #expect(machine.read(0x024) == 0)
    #expect(machine.read(machine.interface(2) + 4) == 2 << 16 | 1)
  }

  @Test func `statement 96: queue 64 is the second word's first bit`() {
    let machine = CMDQVMachine(
      size: .init(vintfs: 2, vcmdqs: 128, sidsPerVINTF: 1), isUp: false)
    machine.write(0x000, 1)
    machine.write(machine.interface(1), 5 << 1 | 1)
    for queue in 0..<128 {
      // The last queue is the first logical one.
      let logical = 127 - queue
      machine.write(machine.allocation(queue), UInt64(1 << 15 | logical << 1 | 1))
    }
    for (logical, word, bit) in [(64, 1, UInt64(1)), (127, 1, 1 << 63), (63, 0, 1 << 63)] {
      machine.window(1, logical, LVCMDQ.config, 1)
      #expect(machine.window(1, logical, LVCMDQ.gerror) == 4)
      let map = machine.interface(1) + 0xc0
      #expect(machine.read(map + 8 * word, width: 8) == bit)
      #expect(machine.read(map + 8 * (1 - word), width: 8) == 0)
      #expect(machine.read(map + 8 * word) == bit & 0xffff_ffff)
      #expect(machine.read(map + 8 * word + 4) == bit >> 32)
      #expect(machine.cmdqv.interface(1).errorMap[word] == bit)
      let queue = 127 - logical
      for other in 0..<4 {
        #expect(machine.read(0x024 + 4 * other) == (other == queue / 32 ? 1 << (queue % 32) : 0))
      }
      machine.window(1, logical, LVCMDQ.gerrorn, 4)
    }
  }

  @Test func `an unmapped queue's error is in the map of queues alone`() {
    let machine = CMDQVMachine()
    machine.submit(2, 1, .cfgiAll)
    machine.write(machine.allocation(5), 0)
    #expect(machine.read(0x014) == 0)
    #expect(machine.read(0x024) == 1 << 5)
    #expect(machine.read(machine.interface(2) + 0xc0) == 0)
  }

  @Test func `the interface map has interfaces beyond 31`() {
    let machine = CMDQVMachine(
      size: .init(vintfs: 64, vcmdqs: 64, sidsPerVINTF: 1), isUp: false)
    machine.write(0x000, 1)
    machine.write(machine.interface(40), 1)
    machine.write(machine.allocation(9), 40 << 15 | 1)
    machine.write(0x020, 1 << 8)
    machine.window(40, 0, LVCMDQ.config, 1)
    #expect(machine.read(0x014) == 0)
    #expect(machine.read(0x018) == 1 << 8)
    #expect(machine.recorder.takeInterrupts() == 0)
    machine.write(0x020, 0)
    #expect(machine.recorder.takeInterrupts() == 1)
  }

  // MARK: Interrupts

  @Test func `statement 113: every occurrence of an error is one interrupt`() {
    let machine = CMDQVMachine()
    machine.submit(1, 0, .cfgiAll)
    #expect(machine.recorder.takeInterrupts() == 1)
    // The interface's bit is set already.
    machine.submit(1, 1, .cfgiAll)
    #expect(machine.recorder.takeInterrupts() == 1)
    // An error that nobody acknowledges is silent.
    for _ in 0..<5 {
      machine.submit(1, 0, .cfgiAll)
      machine.window(1, 0, LVCMDQ.gerrorn, 0)
      _ = machine.read(0x014)
    }
    #expect(machine.recorder.takeInterrupts() == 0)
    // The same error again, after the acknowledgement.
    machine.window(1, 0, LVCMDQ.gerrorn, 1)
    #expect(machine.recorder.takeInterrupts() == 1)
  }

  @Test func `a masked interface's interrupt comes once, when the mask goes`() {
    let machine = CMDQVMachine()
    machine.write(0x01c, 1 << 1)
    machine.submit(1, 0, .cfgiAll)
    machine.submit(1, 1, .cfgiAll)
    #expect(machine.recorder.takeInterrupts() == 0)
    #expect(machine.read(0x014) == 1 << 1)
    machine.submit(2, 0, .cfgiAll)
    #expect(machine.recorder.takeInterrupts() == 1)
    machine.write(0x01c, 1 << 1 | 1 << 2)
    machine.write(0x020, 0)
    #expect(machine.recorder.takeInterrupts() == 0)
    machine.write(0x01c, 1 << 2)
    #expect(machine.recorder.takeInterrupts() == 1)
    machine.write(0x01c, 0)
    #expect(machine.recorder.takeInterrupts() == 0)
  }

  @Test func `an interface that is switched off leaves no interrupt to the next`() {
    let machine = CMDQVMachine()
    machine.write(0x01c, 1 << 1)
    machine.submit(1, 0, .cfgiAll)
    machine.write(machine.interface(1), 0)
    machine.write(0x01c, 0)
    #expect(machine.recorder.takeInterrupts() == 0)
  }

  @Test func `a guest that writes GERRORN as it likes raises nothing`() {
    let machine = CMDQVMachine()
    machine.window(1, 0, LVCMDQ.gerrorn, 7)
    #expect(machine.recorder.takeInterrupts() == 0)
    #expect(machine.read(machine.interface(1) + 0xc0) == 1)
    // It has stopped its own queue.
    machine.submit(1, 0, .sync)
    #expect(machine.cons(1, 0) == 0)
    machine.window(1, 0, LVCMDQ.gerrorn, 0)
    #expect(machine.cons(1, 0) == 1)
    #expect(machine.read(machine.interface(1) + 0xc0) == 0)
  }

  // MARK: CONS in memory

  @Test func `CONS is written to memory where that is switched on`() {
    let machine = CMDQVMachine()
    machine.write(machine.page1(1, 0, LVCMDQ.consBase), 0x8600_0000, width: 8)
    machine.submit(1, 0, .sync)
    #expect(machine.smmu.world.read(0x8600_0000) == 0)
    machine.write(0x000, 1 << 20 | 1)
    machine.submit(1, 0, .sync)
    #expect(machine.smmu.world.read(0x8600_0000) == 2)
    machine.submit(1, 0, .sync, .cfgiAll)
    #expect(machine.smmu.world.read(0x8600_0000) == 1 << 24 | 3)
    // Queues without an address write nothing.
    machine.submit(1, 1, .sync)
    #expect(machine.window(1, 1, LVCMDQ.gerror) == 0)
  }

  @Test func `CONS that cannot be written is an error, and stops nothing`() {
    let machine = CMDQVMachine()
    machine.write(0x000, 1 << 20 | 1)
    machine.write(machine.page1(1, 0, LVCMDQ.consBase), 0x1000, width: 8)
    machine.submit(1, 0, .sync, .sync)
    #expect(machine.window(1, 0, LVCMDQ.gerror) == 2)
    #expect(machine.cons(1, 0) == 2)
    #expect(machine.recorder.takeInterrupts() == 1)
    machine.submit(1, 0, .sync)
    #expect(machine.cons(1, 0) == 3)
    #expect(machine.recorder.takeInterrupts() == 0)
    machine.window(1, 0, LVCMDQ.gerrorn, 2)
    machine.submit(1, 0, .sync)
    #expect(machine.window(1, 0, LVCMDQ.gerror) == 0)
    #expect(machine.recorder.takeInterrupts() == 1)
    // Two errors at once are two occurrences.
    machine.window(1, 0, LVCMDQ.gerrorn, 0)
    machine.submit(1, 0, .cfgiAll)
    #expect(machine.window(1, 0, LVCMDQ.gerror) == 3)
    #expect(machine.recorder.takeInterrupts() == 2)
  }
}
