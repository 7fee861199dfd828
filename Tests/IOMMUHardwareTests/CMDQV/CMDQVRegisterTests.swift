// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IOMMUHardware

@Suite struct CMDQVRegisterTests {
  // MARK: The configuration page

  @Test func `the parameters are the sizes`() {
    let machine = CMDQVMachine(
      size: .init(vintfs: 16, vcmdqs: 128, sidsPerVINTF: 8), isUp: false)
    #expect(machine.read(0x004) == 3 << 12 | 4 << 8 | 7 << 4 | 1)
    #expect(machine.cmdqv.size.queuesPerVINTF == 8)
    machine.write(0x004, 0)
    #expect(machine.read(0x004) != 0)
    #expect(Tegra241CMDQV.byteCount(.init(vintfs: 1, vcmdqs: 2, sidsPerVINTF: 16)) == 0x5_0000)
  }

  @Test(arguments: [
    (64, 128, 16, true), (1, 1, 1, true), (128, 128, 16, false), (64, 256, 16, false),
    (64, 128, 32, false), (3, 128, 16, false), (0, 1, 1, false), (1, -1, 1, false),
    (1, 1, .min, false),
  ])
  func `sizes are powers of two up to the architecture's`(
    vintfs: Int, vcmdqs: Int, sids: Int, isValid: Bool
  ) {
    let size = Tegra241CMDQV.Size(vintfs: vintfs, vcmdqs: vcmdqs, sidsPerVINTF: sids)
    #expect(size.isValid == isValid)
  }

  @Test func `STATUS follows CONFIG.EN at once`() {
    let machine = CMDQVMachine(isUp: false)
    #expect(machine.read(0x008) == 0)
    machine.write(0x000, .max)
    #expect(machine.read(0x000) == 0x1f_ffff)
    #expect(machine.read(0x008) == 1)
    machine.write(0x000, 0x1f_fffe)
    #expect(machine.read(0x008) == 0)
  }

  @Test func `writes keep only bits that are there`() {
    let machine = CMDQVMachine(isUp: false)
    let cases: [(Int, UInt64)] = [
      (0x008, 0), (0x00c, 0), (0x014, 0), (0x018, 0), (0x01c, 0xffff_ffff), (0x020, 0xffff_ffff),
      (0x024, 0), (0x030, 0), (0x200, 0x1f_80ff), (0x21c, 0x1f_80ff), (0x220, 0),
      (0x1000, 0x3_ffff), (0x1300, 0x3_ffff), (0x1400, 0), (0x1040, 0x1f_ffff),
      (0x104c, 0x1f_ffff), (0x1050, 0), (0x1080, 0xffff_ffff), (0x108c, 0xffff_ffff),
      (0x1090, 0), (0x10c0, 0), (0xffff, 0),
    ]
    for (offset, expected) in cases where offset & 3 == 0 {
      machine.write(offset, .max)
      #expect(machine.read(offset) == expected, "\(String(offset, radix: 16))")
    }
    let queue: [(UInt32, UInt64)] = [
      (LVCMDQ.cons, 0x7f0f_ffff), (LVCMDQ.prod, 0xf_ffff), (LVCMDQ.gerror, 0),
      (LVCMDQ.gerrorn, 7), (LVCMDQ.status, 0), (0x18, 0), (LVCMDQ.config, 1), (0x7c, 0),
    ]
    for (register, expected) in queue {
      machine.write(machine.global0(7, register), .max)
      #expect(machine.read(machine.global0(7, register)) == expected)
    }
    machine.write(machine.global1(7, LVCMDQ.base), .max, width: 8)
    #expect(machine.read(machine.global1(7, LVCMDQ.base), width: 8) == 0xffff_ffff_ffff)
    machine.write(machine.global1(7, LVCMDQ.consBase), .max, width: 8)
    #expect(machine.read(machine.global1(7, LVCMDQ.consBase), width: 8) == 0xffff_ffff_fffc)
    // There is no eighth queue.
    machine.write(machine.global0(8, LVCMDQ.prod), .max)
    #expect(machine.read(machine.global0(8, LVCMDQ.prod)) == 0)
  }

  @Test(
    arguments: [
      (0x000, 8, RegisterError.width(offset: 0, 8)), (0x000, 2, .width(offset: 0, 2)),
      (0x001, 4, .alignment(offset: 1)), (0x10c4, 8, .alignment(offset: 0x10c4)),
      (0x1_0000, 8, .width(offset: 0x1_0000, 8)), (0x3_0000, 8, .width(offset: 0x3_0000, 8)),
      (0x2_0000, 8, nil), (0x4_0000, 8, nil), (0x10c0, 8, nil), (0x10c8, 8, nil), (0x10cc, 4, nil),
      (0x10b8, 8, .width(offset: 0x10b8, 8)), (0xa_fffc, 4, nil),
      (0xb_0000, 4, .outside(offset: 0xb_0000)), (0xffff_fffc, 4, .outside(offset: 0xffff_fffc)),
    ] as [(UInt32, Int, RegisterError?)])
  func `wrong widths, alignments and offsets are refused`(
    offset: UInt32, width: Int, expected: RegisterError?
  ) {
    let machine = CMDQVMachine()
    func refusal(_ body: () throws(RegisterError) -> Void) -> RegisterError? {
      do {
        try body()
        return nil
      } catch { return error }
    }
    #expect(
      refusal { () throws(RegisterError) in
        _ = try machine.cmdqv.readRegister(offset, width: width)
      } == expected)
    #expect(
      refusal { () throws(RegisterError) in
        try machine.cmdqv.writeRegister(offset, 0, width: width)
      } == expected)
  }

  @Test func `a window has one page and takes 4 bytes`() {
    let machine = CMDQVMachine()
    let cases: [(UInt32, Int, RegisterError)] = [
      (0, 8, .width(offset: 0, 8)), (0, 1, .width(offset: 0, 1)), (2, 4, .alignment(offset: 2)),
      (0x1_0000, 4, .outside(offset: 0x1_0000)),
    ]
    for (offset, width, error) in cases {
      #expect(throws: error) { try machine.cmdqv.readWindow(1, offset, width: width) }
      #expect(throws: error) { try machine.cmdqv.writeWindow(1, offset, 1, width: width) }
    }
    for vintf in [-1, 4, 64, .max, .min] {
      #expect((try? machine.cmdqv.readWindow(vintf, 0, width: 4)) == 0)
      try? machine.cmdqv.writeWindow(vintf, 4, 1, width: 4)
    }
  }

  @Test func `an address may be written in halves`() {
    let machine = CMDQVMachine(isUp: false)
    for register in [LVCMDQ.base, LVCMDQ.consBase] {
      machine.write(machine.global1(1, register) + 4, 0x1234)
      machine.write(machine.global1(1, register), 0x8765_4320)
      #expect(machine.read(machine.global1(1, register), width: 8) == 0x1234_8765_4320)
      #expect(machine.read(machine.global1(1, register) + 4) == 0x1234)
      #expect(machine.read(machine.global1(1, register)) == 0x8765_4320)
    }
  }

  // MARK: Interfaces

  @Test func `ENABLE_OK follows EN, and the count of queues those that are mapped`() {
    let machine = CMDQVMachine()
    #expect(machine.read(machine.interface(1) + 4) == 2 << 16 | 1)
    #expect(machine.read(machine.interface(3) + 4) == 0)
    machine.write(machine.interface(1), 5 << 1)
    #expect(machine.read(machine.interface(1) + 4) == 2 << 16)
    #expect(machine.window(1, 0, LVCMDQ.status) == 0)
    machine.write(machine.interface(1), 5 << 1 | 1)
    #expect(machine.window(1, 0, LVCMDQ.status) == 1)
  }

  @Test func `statement 95: HYP_OWN that a guest writes reads back as 0`() {
    var behaviour = Tegra241CMDQV.Behaviour()
    behaviour.allowsHypOwn = false
    for (behaviour, expected) in [(behaviour, UInt64(0x3)), (.init(), 0x2_0003)] {
      let machine = CMDQVMachine(behaviour)
      machine.write(machine.interface(0), 1 << 17 | 1 << 1)
      machine.write(machine.interface(0), 1 << 17 | 1 << 1 | 1)
      #expect(machine.read(machine.interface(0)) == expected)
      // What the bit is for.
      machine.submit(0, 0, .cfgiAll)
      #expect(machine.error(0, 0) == (expected == 3 ? 1 : 0))
    }
  }

  @Test func `a snapshot of an interface says what its registers do`() {
    let machine = CMDQVMachine()
    let interface = machine.cmdqv.interface(2)
    #expect(interface.isEnabled && interface.isEnableOK && !interface.isHypervisorOwned)
    #expect(interface.vmid == 6)
    #expect(interface.queues == [4, 5])
    #expect(interface.errorMap == [0, 0])
    #expect(
      interface.slots == [
        .init(isEnabled: true, guestStream: 0x10, stream: 2),
        .init(isEnabled: true, guestStream: 0x11, stream: 12),
        .init(isEnabled: false, guestStream: 0, stream: 0),
        .init(isEnabled: false, guestStream: 0, stream: 0),
      ])
    #expect(machine.cmdqv.interface(0).isHypervisorOwned)
  }

  // MARK: Places

  @Test func `a queue is the same by its number and by its place`() {
    let machine = CMDQVMachine()
    machine.write(machine.interface(1), 0)
    for register in [LVCMDQ.prod, LVCMDQ.gerrorn] {
      machine.write(machine.page0(1, 1, register), 3)
      #expect(machine.read(machine.global0(3, register)) == 3)
      #expect(machine.window(1, 1, register) == 3)
      machine.write(machine.global0(3, register), 2)
      #expect(machine.read(machine.page0(1, 1, register)) == 2)
      machine.window(1, 1, register, 5)
      #expect(machine.read(machine.global0(3, register)) == 5)
    }
    machine.write(machine.page1(1, 1, LVCMDQ.base), 0x1234_5000, width: 8)
    #expect(machine.read(machine.global1(3, LVCMDQ.base), width: 8) == 0x1234_5000)
    #expect(machine.cmdqv.queue(3).base == 0x1234_5000)
    machine.write(machine.global1(3, LVCMDQ.base), 0x1235_5000, width: 8)
    #expect(machine.read(machine.page1(1, 1, LVCMDQ.base), width: 8) == 0x1235_5000)
  }

  @Test func `any queue can be mapped anywhere`() {
    let machine = CMDQVMachine(isUp: false)
    machine.write(machine.allocation(6), 3 << 15 | 1)
    machine.window(3, 0, LVCMDQ.prod, 9)
    #expect(machine.read(machine.global0(6, LVCMDQ.prod)) == 9)
    // To another place, with what it contains.
    machine.write(machine.allocation(6), 1 << 15 | 1)
    #expect(machine.window(3, 0, LVCMDQ.prod) == 0)
    #expect(machine.window(1, 0, LVCMDQ.prod) == 9)
    // An interface that is not there.
    machine.write(machine.allocation(6), 63 << 15 | 1)
    #expect(machine.window(1, 0, LVCMDQ.prod) == 0)
    #expect(!machine.cmdqv.queue(6).isMapped)
    #expect(machine.cmdqv.queue(6).isAllocated)
  }

  @Test func `of two queues in one place the first counts`() {
    let machine = CMDQVMachine(isUp: false)
    machine.write(machine.allocation(5), 1 << 15 | 1)
    machine.write(machine.allocation(3), 1 << 15 | 1)
    machine.window(1, 0, LVCMDQ.prod, 9)
    #expect(machine.read(machine.global0(3, LVCMDQ.prod)) == 9)
    #expect(machine.read(machine.global0(5, LVCMDQ.prod)) == 0)
    machine.write(machine.allocation(3), 0)
    #expect(machine.window(1, 0, LVCMDQ.prod) == 0)
    machine.window(1, 0, LVCMDQ.prod, 8)
    #expect(machine.read(machine.global0(5, LVCMDQ.prod)) == 8)
  }

  @Test func `a write to a logical queue that is not mapped is dropped`() {
    let machine = CMDQVMachine()
    machine.window(1, 2, LVCMDQ.prod, 9)
    machine.write(machine.page0(3, 0, LVCMDQ.prod), 9)
    machine.write(machine.page1(3, 0, LVCMDQ.base), 0x1000, width: 8)
    #expect(machine.window(1, 2, LVCMDQ.prod) == 0)
    for queue in [6, 7] {
      #expect(machine.cmdqv.queue(queue).prod == 0)
      #expect(machine.cmdqv.queue(queue).base == 0)
    }
    machine.write(machine.allocation(3), 1 << 15 | 1 << 1)
    machine.window(1, 1, LVCMDQ.prod, 9)
    #expect(machine.cmdqv.queue(3).prod == 0)
  }

  @Test func `a queue whose predecessor is not mapped is not there`() {
    let machine = CMDQVMachine()
    machine.write(machine.allocation(2), 1 << 15)
    #expect(!machine.cmdqv.queue(3).isMapped)
    #expect(machine.read(machine.interface(1) + 4) == 1)
    machine.put(.sync, 3, at: 0)
    machine.window(1, 1, LVCMDQ.prod, 1)
    #expect(machine.cmdqv.queue(3).prod == 0)
    #expect(!machine.cmdqv.queue(3).isEnableOK)
    machine.write(machine.allocation(2), 1 << 15 | 1)
    machine.window(1, 1, LVCMDQ.prod, 1)
    #expect(machine.cons(1, 1) == 1)
  }

  // MARK: Enabling a queue

  @Test func `EN_OK needs the queue, its place, its interface and the CMDQV`() {
    let machine = CMDQVMachine()
    #expect(machine.window(1, 0, LVCMDQ.status) == 1)
    let steps: [(Int, UInt64, UInt64)] = [
      (0x000, 0, 1), (machine.interface(1), 5 << 1, 5 << 1 | 1),
      (machine.page0(1, 0, LVCMDQ.config), 0, 1), (machine.allocation(2), 1 << 15, 1 << 15 | 1),
    ]
    for (offset, off, on) in steps {
      machine.write(offset, off)
      #expect(machine.read(machine.global0(2, LVCMDQ.status)) == 0)
      machine.put(.sync, 2, at: machine.read(machine.global0(2, LVCMDQ.prod)))
      let prod = machine.read(machine.global0(2, LVCMDQ.prod)) + 1
      machine.write(machine.global0(2, LVCMDQ.prod), prod)
      #expect(machine.read(machine.global0(2, LVCMDQ.cons)) == prod - 1)
      // What came meanwhile is done when it is on again.
      machine.write(offset, on)
      #expect(machine.read(machine.global0(2, LVCMDQ.status)) == 1)
      #expect(machine.read(machine.global0(2, LVCMDQ.cons)) == prod)
    }
    #expect(machine.recorder.takeInterrupts() == 0)
  }

  @Test func `statement 98: EN without a base is CMDQ_INIT_ERR and no EN_OK`() {
    let machine = CMDQVMachine()
    machine.window(1, 1, LVCMDQ.config, 0)
    machine.write(machine.page1(1, 1, LVCMDQ.base), 0, width: 8)
    #expect(machine.window(1, 1, LVCMDQ.gerror) == 0)
    machine.window(1, 1, LVCMDQ.config, 1)
    #expect(machine.window(1, 1, LVCMDQ.gerror) == 4)
    #expect(machine.window(1, 1, LVCMDQ.status) == 0)
    #expect(machine.read(machine.interface(1) + 0xc0) == 2)
    #expect(machine.recorder.takeInterrupts() == 1)
    machine.window(1, 1, LVCMDQ.config, 1)
    #expect(machine.recorder.takeInterrupts() == 0)
    machine.window(1, 1, LVCMDQ.gerrorn, 4)
    machine.window(1, 1, LVCMDQ.config, 0)
    machine.window(1, 1, LVCMDQ.config, 1)
    #expect(machine.window(1, 1, LVCMDQ.gerror) == 0)
    #expect(machine.recorder.takeInterrupts() == 1)
  }

  @Test func `CONS stays while the queue is enabled, the base does not`() {
    let machine = CMDQVMachine()
    machine.window(1, 0, LVCMDQ.cons, 5)
    #expect(machine.window(1, 0, LVCMDQ.cons) == 0)
    machine.window(1, 0, LVCMDQ.config, 0)
    machine.window(1, 0, LVCMDQ.cons, 5)
    machine.window(1, 0, LVCMDQ.prod, 5)
    #expect(machine.window(1, 0, LVCMDQ.cons) == 5)
    machine.window(1, 0, LVCMDQ.config, 1)
    // A guest that does not let go: the host takes the ring all the same.
    machine.write(machine.page1(1, 0, LVCMDQ.base), 0, width: 8)
    #expect(machine.window(1, 0, LVCMDQ.status) == 0)
    machine.window(1, 0, LVCMDQ.prod, 6)
    #expect(machine.window(1, 0, LVCMDQ.cons) == 5)
  }

  @Test func `the host's teardown leaves nothing`() {
    let machine = CMDQVMachine()
    machine.submit(1, 0, .cfgiAll)
    for logical in [1, 0] {
      machine.window(1, logical, LVCMDQ.config, 0)
      machine.smmu.submit(.sync)
      machine.window(1, logical, LVCMDQ.prod, 0)
      machine.window(1, logical, LVCMDQ.cons, 0)
      machine.write(machine.page1(1, logical, LVCMDQ.base), 0, width: 8)
      machine.write(machine.page1(1, logical, LVCMDQ.consBase), 0, width: 8)
      let gerror = machine.window(1, logical, LVCMDQ.gerror)
      machine.window(1, logical, LVCMDQ.gerrorn, gerror)
      machine.write(machine.allocation(2 + logical), UInt64(1 << 15 | logical << 1))
    }
    machine.write(machine.interface(1), 0)
    for slot in 0..<4 {
      machine.write(machine.match(1, slot), 0)
      machine.write(machine.replace(1, slot), 0)
    }
    let interface = machine.cmdqv.interface(1)
    #expect(!interface.isEnabled && interface.vmid == 0 && interface.queues.isEmpty)
    #expect(interface.slots.allSatisfy { $0 == .init(isEnabled: false, guestStream: 0, stream: 0) })
    let queue = machine.cmdqv.queue(2)
    #expect(queue.prod == 0 && queue.cons == 0 && queue.error == 0 && queue.base == 0)
    #expect(queue.gerror == queue.gerrorn && !queue.isEnabled)
    #expect(machine.read(0x014) == 0 && machine.read(0x024) == 0)
  }
}
