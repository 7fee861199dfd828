// SPDX-License-Identifier: Apache-2.0
import Locking

@testable import IOMMUHardware

/// Remembers what an SMMU has told.
final class Recorder: SMMUSink {
  private let notifications = Locked<[SMMUNotification]>([])

  func receive(_ notification: SMMUNotification) {
    notifications.withLock { $0.append(notification) }
  }

  /// What came since the last call.
  func take() -> [SMMUNotification] {
    notifications.withLock { all in
      defer { all = [] }
      return all
    }
  }
}

/// An SMMU, brought up as a driver does, on a world of tables.
struct Machine {
  static let commandQueue: UInt64 = 0x8300_0000
  static let eventQueue: UInt64 = 0x8400_0000
  static let priQueue: UInt64 = 0x8500_0000

  var world: World
  let smmu: SMMUv3
  let recorder = Recorder()
  let port: StreamPort

  init(
    _ world: World, behaviour: SMMUv3Behaviour = SMMUv3Behaviour(), queueLog2Size: UInt64 = 4
  ) {
    self.world = world
    world.install()
    smmu = SMMUv3(
      memory: world.memory, features: world.features, behaviour: behaviour, sink: recorder)
    port = smmu.port(0)
    write(.cr2, 6)
    write(.strtabBase, world.streamTable | 1 << 62)
    write(.strtabBaseCfg, 8)
    write(.cmdqBase, Machine.commandQueue | queueLog2Size | 1 << 62)
    write(.eventqBase, Machine.eventQueue | queueLog2Size | 1 << 62)
    write(.priqBase, Machine.priQueue | queueLog2Size | 1 << 62)
    write(.irqCtrl, 7)
    write(.cr0, 0x1f)
  }

  // MARK: Registers

  func write(_ register: SMMURegister, _ value: UInt64) {
    do {
      try smmu.writeRegister(register.rawValue, value, width: register.width)
    } catch { fatalError("\(error)") }
  }

  func read(_ register: SMMURegister) -> UInt64 {
    (try? smmu.readRegister(register.rawValue, width: register.width)) ?? .max
  }

  // MARK: Queues

  /// Puts commands into the queue and lets them run.
  func submit(_ commands: Command...) {
    let log2Size = read(.cmdqBase) & 31
    var prod = read(.cmdqProd)
    for command in commands {
      let slot = Machine.commandQueue + (prod & UInt64.ones(Int(log2Size))) * 16
      world.write(command.words, at: slot)
      prod = (prod + 1) & UInt64.ones(Int(log2Size) + 1)
    }
    write(.cmdqProd, prod)
  }

  /// CMDQ_CONS.ERR.
  var commandError: UInt64 { read(.cmdqCons) >> 24 & 0x7f }

  /// Takes all records out of the event queue, and acknowledges an overflow.
  func takeEvents() -> [EventRecord] {
    let log2Size = Int(read(.eventqBase) & 31)
    var events: [EventRecord] = []
    while (read(.eventqProd) ^ read(.eventqCons)) & UInt64.ones(log2Size + 1) != 0 {
      let cons = read(.eventqCons)
      let slot = Machine.eventQueue + (cons & UInt64.ones(log2Size)) * 32
      events.append(EventRecord(words: (0..<4).map { world.read(slot + $0 * 8) }))
      write(.eventqCons, (cons + 1) & UInt64.ones(log2Size + 1) | cons & 1 << 31)
    }
    write(.eventqCons, read(.eventqCons) & 0xf_ffff | read(.eventqProd) & 1 << 31)
    return events
  }

  // MARK: Transactions

  func translate(_ address: UInt64, write: Bool = false, substream: UInt32? = nil)
    -> TranslationAnswer
  {
    port.translate(
      DeviceTransaction(streamID: 0, substreamID: substream, address: address, isWrite: write))
  }

  func address(_ address: UInt64) -> UInt64? { translate(address).translation?.physicalAddress }
}

extension World {
  /// A stage 1 that maps 0x1000 to 0x9000_0000, and the pages behind it alike.
  static func stage1(pages: UInt64 = 1) -> World {
    var world = World()
    world.useStage1()
    for page in 1...pages { world.map1(page << 12, 0x9000_0000 + (page - 1) << 12) }
    world.install()
    return world
  }

  static func stage2() -> World {
    var world = World()
    world.useStage2()
    world.map2(0x1000, 0x9000_0000)
    world.install()
    return world
  }

  static func nested() -> World {
    var world = World()
    world.useStage2()
    world.useStage1()
    world.map1(0x1000, 0x9000_0000 + World.shift)
    world.map2(0x9000_0000 + World.shift, 0x9000_0000)
    world.install()
    return world
  }
}
