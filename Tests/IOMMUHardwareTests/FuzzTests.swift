// SPDX-License-Identifier: Apache-2.0
import SeededRandom
import Testing

@testable import IOMMUHardware

/// Bytes that no sane driver writes: nothing may trap, hang, or answer without end.
@Suite struct FuzzTests {
  @Test(arguments: UInt64(1)...8)
  func `random tables, commands and registers do no harm`(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let world = [World.stage1(), .stage2(), .nested()][Int(seed % 3)]
    let machine = Machine(world, queueLog2Size: 5)
    // What was made lies in a few pages; those are what is spoiled.
    let pages =
      [
        world.streamTable, world.contextTable, Machine.commandQueue, Machine.eventQueue,
      ] + stride(from: 0x8800_0000, to: world.next, by: 4096)
    for _ in 0..<4000 {
      switch UInt64.random(in: 0..<10, using: &random) {
      case 0..<3: spoil(machine, pages, &random)
      case 3..<5: command(machine, &random)
      case 5: register(machine, &random)
      case 6: request(machine, &random)
      default: access(machine, &random)
      }
    }
    #expect(machine.world.memory.residentBytes < 64 << 20)
  }

  /// A word that is random, or a plausible descriptor, or something of the tables elsewhere.
  private func word(_ machine: Machine, _ random: inout SplitMix64) -> UInt64 {
    let value = random.next()
    switch value % 5 {
    case 0: return value
    case 1: return 0x8800_0000 + (value >> 8 & 0xff) << 12 | 3 | 1 << 10 | value >> 32 & 0xfc
    case 2: return 1 << (value >> 8 & 63)
    case 3: return machine.world.ste.words[Int(value >> 8 & 3)] ^ 1 << (value >> 16 & 63)
    default: return machine.world.cd.words[Int(value >> 8 & 3)] ^ 1 << (value >> 16 & 63)
    }
  }

  private func spoil(_ machine: Machine, _ pages: [UInt64], _ random: inout SplitMix64) {
    if random.next() & 3 == 0 {
      for stream in UInt64(0)..<4 { machine.world.install(stream: stream) }
      return machine.submit(.cfgiAll)
    }
    let page = pages.randomElement(using: &random) ?? 0
    let offset = UInt64.random(in: 0..<512, using: &random) & (random.next() & 1 == 0 ? 7 : 511)
    machine.world.write(word(machine, &random), at: page + offset * 8)
  }

  private func command(_ machine: Machine, _ random: inout SplitMix64) {
    let opcodes = CommandLayout.all.map { UInt64($0.opcode.rawValue) }
    var command = Command(dw0: random.next(), dw1: random.next())
    if random.next() & 7 != 0 {
      command.dw0 = command.dw0 & ~0x4ff | (opcodes.randomElement(using: &random) ?? 0)
    }
    if random.next() & 1 == 0 { command.dw0 &= 0xffff }
    machine.submit(command, .sync)
    if random.next() & 3 != 0 { machine.write(.gerrorn, machine.read(.gerror)) }
    _ = machine.smmu.execute(command)
    #expect((try? Command(command.description)) == command)
  }

  private func register(_ machine: Machine, _ random: inout SplitMix64) {
    let offset = UInt32(truncatingIfNeeded: random.next()) & (random.next() & 1 == 0 ? 0xff : .max)
    let width = [4, 8, 4, 3][Int(random.next() & 3)]
    try? machine.smmu.writeRegister(offset, random.next(), width: width)
    _ = try? machine.smmu.readRegister(offset, width: width)
    // Back to something that works, now and then.
    if random.next() & 3 != 0 {
      machine.write(.cr0, 0)
      machine.write(.strtabBase, machine.world.streamTable)
      machine.write(.strtabBaseCfg, random.next() & 7 != 0 ? 8 : 1 << 16 | 6 << 6 | 8)
      machine.write(.cmdqBase, Machine.commandQueue | 5)
      machine.write(.eventqBase, Machine.eventQueue | 5)
      machine.write(.cmdqCons, 0)
      machine.write(.cmdqProd, 0)
      machine.write(.cr0, 0x1f)
    }
  }

  private func transaction(_ random: inout SplitMix64) -> DeviceTransaction {
    let flags = random.next()
    let address = random.next() >> (flags >> 8 & 63)
    return DeviceTransaction(
      streamID: UInt32(flags & 3), substreamID: flags & 0x30 == 0 ? UInt32(flags >> 40) : nil,
      address: flags & 0x40 == 0 ? address : 0x1000 | address & 0xfff,
      isWrite: flags & 4 != 0, isPrivileged: flags & 8 != 0, isInstruction: flags & 0x80 != 0,
      kind: flags & 0xf00_0000 == 0 ? .translated : .untranslated)
  }

  private func access(_ machine: Machine, _ random: inout SplitMix64) {
    let transaction = transaction(&random)
    let port = machine.smmu.port(transaction.streamID)
    var bytes = [UInt8](repeating: 0, count: Int(random.next() & 0x3ff))
    switch random.next() % 3 {
    case 0: _ = port.translate(transaction)
    case 1: _ = port.read(transaction, into: &bytes)
    default: _ = machine.world.uncachedResult(transaction, machine.smmu.translationRegisters)
    }
  }

  private func request(_ machine: Machine, _ random: inout SplitMix64) {
    let transaction = transaction(&random)
    let port = machine.smmu.port(transaction.streamID)
    port.setATS(enabled: random.next() & 1 == 0)
    _ = port.requestTranslation(transaction)
    port.requestPage(
      PRIRequest(
        streamID: 0, substreamID: transaction.substreamID, address: transaction.address,
        group: UInt16(truncatingIfNeeded: random.next())))
  }

  @Test(arguments: UInt64(1)...6)
  func `what the caches answer after everything was invalidated is what the tables say`(
    seed: UInt64
  ) {
    var random = SplitMix64(seed: seed &* 77)
    var machine = Machine([World.stage1(), .stage2(), .nested()][Int(seed % 3)])
    for round in 0..<300 {
      change(&machine, &random)
      if round % 3 == 0 { machine.submit(.cfgiAll, .tlbiNSNHAll, .sync) }
      for page in UInt64(0)..<4 {
        let transaction = DeviceTransaction(
          streamID: 0, address: page << 12 | 0x10, isWrite: random.next() & 1 == 0)
        let answer = machine.port.translate(transaction)
        let expected = machine.world.uncachedResult(
          transaction, machine.smmu.translationRegisters)
        if answer.stale == nil {
          #expect(answer.translation?.physicalAddress == expected.address)
          #expect(answer.fault?.id == expected.id)
        } else {
          #expect(round % 3 != 0)
        }
      }
      _ = machine.takeEvents()
    }
  }

  /// A change to a table that leaves it sane.
  private func change(_ machine: inout Machine, _ random: inout SplitMix64) {
    let page = random.next() & 3
    let target = 0x9000_0000 + (random.next() & 7) << 12
    let isNested = machine.world.ste.config == .nested
    switch random.next() % 6 {
    case 0, 1:
      if machine.world.cd.isValid {
        machine.world.map1(
          page << 12, target + (isNested ? World.shift : 0),
          attributes: random.next() & 3 == 0 ? World.page1 | 1 << 7 : World.page1)
      } else {
        machine.world.map2(page << 12, target)
      }
    case 2, 3:
      if isNested {
        machine.world.map2(
          0x9000_0000 + page << 12 + World.shift, target,
          attributes: random.next() & 3 == 0 ? 0 : World.page2)
      }
    case 4: machine.world.cd.asid = random.next() & 3
    default: machine.world.ste.s2VMID = random.next() & 3
    }
    machine.world.install()
  }
}

extension World {
  func uncachedResult(
    _ transaction: DeviceTransaction, _ registers: TranslationRegisters
  ) -> Result<Translation, TranslationFault> {
    let uncached = UncachedTranslation(memory: memory, features: features, registers: registers)
    do { return .success(try uncached.translate(transaction)) } catch { return .failure(error) }
  }
}
