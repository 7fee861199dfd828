// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// Chooses the queue for the driver's commands (`arm_smmu_get_cmdq`). It is the driver's own queue
/// of the CMDQV if there is one and it runs, and otherwise the SMMU's queue. Commands that a guest
/// has asked for always go to the SMMU's queue.
final class Commands: Sendable {
  let main: CommandQueue
  private let own: CommandQueue?

  init(main: CommandQueue, own: CommandQueue?) {
    self.main = main
    self.own = own
  }

  /// Has commands carried out, with a CMD_SYNC behind them unless `withSync` is false. It returns
  /// when they are done.
  func issue(_ commands: [Command], withSync: Bool = true) {
    let queue = own.flatMap { $0.isOpen ? $0 : nil } ?? main
    queue.issue(commands, withSync: withSync)
  }

  /// Has one command carried out without a queue. It is for the handler of an event, which may run
  /// while this thread or another one is in the middle of a list and holds the queue.
  func execute(_ command: Command) { main.execute(command) }
}

/// The driver's end of a command queue (`arm_smmu_cmdq_issue_cmdlist`).
final class CommandQueue: Sendable {
  /// The logarithm of the number of entries, which fill one page.
  static let log2Size = 8
  static let bytes = (UInt64(1) << UInt64(log2Size)) * Command.byteCount

  /// Where the registers of the queue are.
  enum Door: Sendable {
    case smmu
    /// The queue is the first one of the CMDQV's first interface.
    case cmdqv(Tegra241CMDQV)
  }

  private let hardware: Hardware
  private let base: UInt64
  private let door: Door
  /// The index of the entry that is written next, with its wrap bit.
  private let prod = Locked<UInt32>(0)
  private let isTraced: Bool

  init(_ hardware: Hardware, at base: UInt64, _ door: Door, isTraced: Bool) {
    self.hardware = hardware
    self.base = base
    self.door = door
    self.isTraced = isTraced
  }

  /// Whether the queue runs. A CMDQV does not if somebody has disabled it by writing its registers
  /// directly.
  var isOpen: Bool {
    switch door {
    case .smmu: true
    case .cmdqv(let engine): engine.queue(0).isEnableOK
    }
  }

  /// Has commands carried out, with a CMD_SYNC behind them unless `withSync` is false. If an
  /// illegal command stops the queue, it is replaced by a CMD_SYNC and the queue goes on, as in
  /// Linux (`__arm_smmu_cmdq_skip_err`).
  func issue(_ commands: [Command], withSync: Bool = true) {
    var list = commands
    if withSync { list.append(.sync) }
    let limit = (1 << CommandQueue.log2Size) - 1
    prod.withLock { prod in
      var rest = list[...]
      while !rest.isEmpty {
        post(rest.prefix(limit), &prod)
        rest = rest.dropFirst(limit)
      }
    }
    if isTraced {
      for command in list { log(command) }
    }
  }

  func execute(_ command: Command) {
    _ = hardware.smmu.execute(command)
    if isTraced { log(command) }
  }

  private func log(_ command: Command) {
    let name =
      switch door {
      case .smmu: "cmdq"
      case .cmdqv: "vcmdq0"
      }
    hardware.log(.command(command.words, queue: name))
  }

  private func post(_ commands: ArraySlice<Command>, _ prod: inout UInt32) {
    let mask = (UInt32(1) << UInt32(CommandQueue.log2Size)) - 1
    for command in commands {
      hardware.write(command.words, at: base + UInt64(prod & mask) * Command.byteCount)
      prod = (prod &+ 1) & (mask << 1 | 1)
    }
    switch door {
    case .smmu:
      hardware.write(.cmdqProd, UInt64(prod))
      skipErrors()
    case .cmdqv(let engine):
      // An error interrupts, and the interrupt is handled before this write returns.
      try? engine.writeRegister(CMDQVRegisters.queue(0, 0).prod, UInt64(prod), width: 4)
    }
  }

  /// The bit CMDQ_ERR of GERROR.
  private static let commandError: UInt64 = 1

  private func skipErrors() {
    // Each round gets the queue past one command, and there are no more commands than entries.
    for _ in 0..<(1 << CommandQueue.log2Size) {
      let active = hardware.read(.gerror) ^ hardware.read(.gerrorn)
      guard active & CommandQueue.commandError != 0 else { return }
      let cons = hardware.read(.cmdqCons)
      let isIllegal = (cons >> 24) & 0x7f == 1
      if isIllegal {
        let mask = (UInt64(1) << UInt64(CommandQueue.log2Size)) - 1
        hardware.write(Command.sync.words, at: base + (cons & mask) * Command.byteCount)
      }
      hardware.write(.gerrorn, hardware.read(.gerror))
    }
  }

  /// Starts again with the first entry, after the hardware was reset.
  func restart() { prod.withLock { $0 = 0 } }
}
