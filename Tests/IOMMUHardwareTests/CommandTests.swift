// SPDX-License-Identifier: Apache-2.0
import SeededRandom
import Testing

@testable import IOMMUHardware

@Suite struct CommandTests {
  // MARK: Encoding

  @Test(arguments: UInt8.min...UInt8.max)
  func `every opcode's bytes come back from their description`(opcode: UInt8) throws {
    var random = SplitMix64(seed: UInt64(opcode) + 1)
    for _ in 0..<50 {
      let command = Command(dw0: random.next() & ~0xff | UInt64(opcode), dw1: random.next())
      #expect(try Command(command.description) == command)
    }
    #expect(Command(dw0: UInt64(opcode), dw1: 0).description.name.isEmpty == false)
  }

  @Test func `a description names fields and gives addresses whole`() {
    let command = Command.tlbiNHVA(vmid: 3, asid: 7, address: 0x1234_5000)
      .overRange(granule: 1, num: 3, scale: 2, level: 3)
    #expect(command.dw0 == 0x0007_0003_0020_3012)
    #expect(command.dw1 == 0x1234_5701)
    let expected: [CommandDescription.Field] = [
      .init("num", 3), .init("scale", 2), .init("vmid", 3), .init("asid", 7), .init("leaf", 1),
      .init("ttl", 3), .init("tg", 1), .init("address", 0x1234_5000),
    ]
    #expect(command.description == CommandDescription(name: "TLBI_NH_VA", fields: expected))
  }

  @Test func `a description that is none of a command is refused`() {
    func error(_ name: String, _ fields: [CommandDescription.Field]) -> CommandDescriptionError? {
      do {
        _ = try Command(CommandDescription(name: name, fields: fields))
        return nil
      } catch { return error }
    }
    #expect(error("NOP", []) == .unknownName("NOP"))
    #expect(error("CFGI_STE", [.init("vmid", 1)]) == .unexpectedField("vmid"))
    #expect(
      error("CFGI_STE", [.init("leaf", 1), .init("leaf", 1)]) == .unexpectedField("leaf"))
    #expect(error("CFGI_STE", [.init("leaf", 2)]) == .valueTooWide("leaf"))
    #expect(error("TLBI_NH_VA", [.init("address", 0x1234)]) == .valueTooWide("address"))
    #expect(error("CFGI_STE", [.init("stream_id", 0xffff_ffff)]) == nil)
    #expect(error("CFGI_STE", [.init("stream_id", 0x1_0000_0000)]) == .valueTooWide("stream_id"))
  }

  @Test func `statements 102, 103 and 105: what a field cannot have is seen in the description`() {
    func fields(_ command: Command) -> [CommandDescription.Field] { command.description.fields }
    let asid: UInt64 = 0x100 << 48
    #expect(fields(Command(dw0: asid | 0x13, dw1: 0)).last == .init("reserved0", asid))
    #expect(fields(Command(dw0: 0x11, dw1: 2)).last == .init("reserved1", 2))
    #expect(fields(Command(dw0: 0x06, dw1: 1)).last == .init("reserved1", 1))
    #expect(fields(Command(dw0: asid | 0x11, dw1: 0)).last == .init("asid", 0x100))
    #expect(fields(.atcInv(1, 2, address: 0, sizeLog2: 52)).contains(.init("size", 52)))
    #expect(fields(.atcInv(1, 2, address: 0, sizeLog2: 52)).contains(.init("substream_valid", 1)))
    #expect(fields(Command(dw0: 1 << 10 | 0x05, dw1: 0)).first == .init("secure", 1))
    // An ASID wider than the SMMU's names nothing.
    var world = World.stage1()
    world.features.asid16 = false
    var machine = Machine(world)
    _ = machine.translate(0x1000)
    machine.world.map1(0x1000, 0xa000_0000)
    machine.submit(.tlbiNHASID(vmid: 0, asid: 0x107))
    #expect(machine.commandError == 0)
    #expect(machine.address(0x1000) == 0x9000_0000)
    machine.submit(.tlbiNHASID(vmid: 0, asid: 7))
    #expect(machine.address(0x1000) == 0xa000_0000)
  }

  // MARK: The queue

  @Test func `commands are taken in order, around the end of the queue`() {
    let machine = Machine(.stage1(), queueLog2Size: 3)
    for _ in 0..<9 { machine.submit(.cfgiAll, .tlbiNSNHAll, .sync) }
    #expect(machine.read(.cmdqCons) == machine.read(.cmdqProd))
    #expect(machine.read(.cmdqCons) == 27 & 15)
    #expect(machine.smmu.counters.commands == 27)
  }

  @Test func `statement 67: equal indices with different wraps are a full queue`() {
    var queue = QueueRegisters(greatestLog2Size: 19, entryShift: 4)
    queue.base = 3
    queue.prod = 8
    #expect(queue.isFull && !queue.isEmpty)
    queue.prod = 7
    #expect(!queue.isFull && !queue.isEmpty)
    let machine = Machine(.stage1(), queueLog2Size: 3)
    machine.submit(.sync, .sync, .sync, .sync, .sync, .sync, .sync, .sync)
    #expect(machine.read(.cmdqCons) == 8)
  }

  @Test func `statement 68: an unknown opcode stops the queue until it is acknowledged`() {
    let machine = Machine(.stage1())
    machine.submit(Command(dw0: 0x7f, dw1: 0), .sync)
    #expect(machine.commandError == 1)
    #expect(machine.read(.cmdqCons) & 0xf_ffff == 0)
    #expect(machine.read(.gerror) == 1)
    #expect(machine.recorder.take() == [.interrupt(.globalError)])
    machine.submit(.sync)
    #expect(machine.read(.cmdqCons) & 0xf_ffff == 0)
    // Nothing was changed: the same command again.
    machine.write(.gerrorn, 1)
    #expect(machine.read(.gerror) == 0)
    #expect(machine.read(.cmdqCons) & 0xf_ffff == 0)
    // What Linux does: a SYNC in its place.
    machine.world.write([0x0fc0_2046, 0], at: Machine.commandQueue)
    machine.write(.gerrorn, 0)
    #expect(machine.read(.cmdqCons) & 0xf_ffff == 3)
    #expect(machine.read(.gerror) == 0)
  }

  @Test(
    arguments: [
      (Command(dw0: 1 << 10 | 0x03, dw1: 0), 1), (Command(dw0: 1 << 10 | 0x46, dw1: 0), 1),
      (Command(dw0: 0x07, dw1: 0), 1), (Command(dw0: 0x18, dw1: 0), 1),
      (Command(dw0: 0x20, dw1: 0), 1), (Command(dw0: 0x3046, dw1: 0), 1), (.cfgiAll, 0),
      (Command(dw0: 0x01, dw1: 0), 0), (Command(dw0: 0x02, dw1: 0), 0),
      (Command(dw0: 0x0fc0_0046, dw1: 0), 0), (Command(dw0: 0x0fc0_2046, dw1: 0), 0),
      (.atcInv(0, nil, address: 0, sizeLog2: 52), 0),
      (.atcInv(0, nil, address: 0, sizeLog2: 53), 1),
      (.priResp(0, nil, group: 1, response: 3), 1), (.resume(0, stag: 1, response: 1), 0),
      (.stallTerm(0), 0), (.cfgiCDAll(0), 0), (.tlbiS12VMAll(vmid: 1), 0),
      (.tlbiNHVAA(vmid: 1, address: 0), 0),
    ] as [(Command, UInt64)])
  func `statements 69 and 70: what cannot be decoded is CERROR_ILL`(
    command: Command, error: UInt64
  ) {
    let machine = Machine(.stage1())
    machine.submit(command)
    #expect(machine.commandError == error)
    #expect(machine.read(.cmdqCons) & 0xf_ffff == (error == 0 ? 1 : 0))
  }

  @Test func `commands of what an SMMU does not have are CERROR_ILL`() {
    let cases: [(Command, @Sendable (inout SMMUv3Features) -> Void)] = [
      (.tlbiS2IPA(vmid: 1, address: 0), { $0.s2p = false }),
      (.tlbiS12VMAll(vmid: 1), { $0.s2p = false }), (.tlbiNHAll(vmid: 1), { $0.s1p = false }),
      (.cfgiCD(0, 0), { $0.s1p = false }), (.cfgiCDAll(0), { $0.s1p = false }),
      (.atcInv(0, nil, address: 0, sizeLog2: 0), { $0.ats = false }),
      (.priResp(0, nil, group: 0, response: 2), { $0.pri = false }),
      (.resume(0, stag: 0, response: 1), { $0.stallModel = 1 }),
      (.stallTerm(0), { $0.stallModel = 1 }),
    ]
    for (command, change) in cases {
      var features = SMMUv3Features()
      #expect(command.isLegal(for: features))
      change(&features)
      #expect(!command.isLegal(for: features), "\(command.description.name)")
    }
    var features = SMMUv3Features()
    #expect(!Command.tlbiEL2All.isLegal(for: features))
    features.hyp = true
    #expect(Command.tlbiEL2All.isLegal(for: features))
    #expect(Command.tlbiEL2VA(asid: 1, address: 0).isLegal(for: features))
  }

  @Test(arguments: [
    (false, false, 1, 0, 0, 0, true), (true, false, 0, 0, 1, 0, false),
    (true, false, 0, 1, 0, 0, false), (true, false, 0, 0, 0, 1, false),
    (true, false, 0, 0, 0, 0, true), (true, false, 1, 0, 0, 0, false),
    (true, false, 1, 0, 0, 3, true), (true, false, 1, 1, 0, 0, true),
    (true, false, 2, 0, 1, 1, false), (true, true, 2, 0, 1, 1, true),
    (true, true, 0, 0, 32, 0, false), (true, true, 1, 0, 32, 0, true),
  ])
  func `statement 104: reserved ranges cannot be decoded`(
    ril: Bool, ds: Bool, tg: UInt64, num: UInt64, scale: UInt64, ttl: UInt64, isLegal: Bool
  ) {
    var features = SMMUv3Features()
    features.ril = ril
    features.ds = ds
    let command = Command.tlbiNHVA(vmid: 0, asid: 0, address: 0x1000)
      .overRange(granule: tg, num: num, scale: scale, level: ttl)
    #expect(command.isLegal(for: features) == isLegal)
  }

  @Test func `a queue where nothing exists is CERROR_ABT`() {
    let machine = Machine(.stage1())
    machine.write(.cr0, 0x17)
    machine.write(.cmdqBase, 4)
    machine.write(.cmdqProd, 1)
    #expect(machine.commandError == 0)
    machine.write(.cr0, 0x1f)
    #expect(machine.commandError == 2)
    #expect(machine.read(.gerror) == 1)
    // It is tried again after the acknowledgement, and fails again.
    machine.write(.gerrorn, 1)
    #expect(machine.read(.gerror) == 0)
  }

  // MARK: CMD_SYNC

  @Test func `statement 70: a SYNC says that it is done as it was asked to`() {
    let machine = Machine(.stage1())
    machine.submit(.sync)
    #expect(machine.recorder.take().isEmpty)
    machine.submit(.sync(messageAddress: 0x8600_0004, data: 0xfeed))
    #expect(machine.world.read(0x8600_0000) >> 32 == 0xfeed)
    #expect(
      machine.recorder.take() == [.message(.commandSync, address: 0x8600_0004, data: 0xfeed)])
    machine.submit(.sync(messageAddress: 0, data: 1))
    #expect(machine.recorder.take() == [.interrupt(.commandSync)])
    machine.submit(Command(dw0: 0x0fc0_2046, dw1: 0))
    #expect(machine.recorder.take() == [.wakeEvent])
  }

  @Test func `a SYNC may write over its own command, as Linux has it do`() {
    let machine = Machine(.stage1())
    machine.submit(.sync(messageAddress: Machine.commandQueue, data: 0))
    #expect(machine.world.read(Machine.commandQueue) & 0xffff_ffff == 0)
    #expect(machine.read(.cmdqCons) == 1)
    #expect(machine.commandError == 0)
  }

  @Test func `a SYNC's message that goes nowhere is a global error`() {
    let machine = Machine(.stage1())
    machine.submit(.sync(messageAddress: 0x1000, data: 1), .sync)
    #expect(machine.read(.gerror) == 1 << 4)
    #expect(machine.read(.cmdqCons) == 2)
    #expect(machine.recorder.take() == [.interrupt(.globalError)])
    var behaviour = SMMUv3Behaviour()
    behaviour.doorbells = 0x1000..<0x2000
    let other = Machine(.stage1(), behaviour: behaviour)
    other.submit(.sync(messageAddress: 0x1000, data: 1))
    #expect(other.read(.gerror) == 0)
    #expect(other.recorder.take() == [.message(.commandSync, address: 0x1000, data: 1)])
  }

  @Test func `an ATC_INV that is not answered fails the next SYNC once`() {
    let machine = Machine(.stage1())
    machine.port.setAnswersInvalidations(false)
    machine.submit(.atcInv(0, nil, address: 0, sizeLog2: 52), .tlbiNSNHAll, .sync, .sync)
    #expect(machine.commandError == 3)
    #expect(machine.read(.cmdqCons) & 0xf_ffff == 2)
    machine.write(.gerrorn, machine.read(.gerror))
    #expect(machine.read(.cmdqCons) & 0xf_ffff == 4)
  }
}
