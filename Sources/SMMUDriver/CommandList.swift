// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

/// The driver's end of the main command queue (`arm_smmu_cmdq_issue_cmdlist`).
final class CommandQueue: Sendable {
  /// The logarithm of the entries: one page of them.
  static let log2Size = 8
  static let bytes = (UInt64(1) << UInt64(log2Size)) * Command.byteCount

  private let hardware: Hardware
  private let base: UInt64
  /// The next index to write, with its wrap bit.
  private let prod = Locked<UInt32>(0)
  private let isTraced: Bool

  init(_ hardware: Hardware, at base: UInt64, isTraced: Bool) {
    self.hardware = hardware
    self.base = base
    self.isTraced = isTraced
  }

  /// Has commands carried out, with a SYNC behind them; returns when they are done.
  ///
  /// A queue that an error has stopped is resumed as Linux does: what is illegal is replaced by
  /// a SYNC (`__arm_smmu_cmdq_skip_err`).
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
      for command in list { hardware.log(.command(command.words)) }
    }
  }

  /// Has one command carried out past the queue's end, for what comes up while another thread, or
  /// this one, is at the queue: an event may be handled in the middle of a list.
  func execute(_ command: Command) {
    _ = hardware.smmu.execute(command)
    if isTraced { hardware.log(.command(command.words)) }
  }

  private func post(_ commands: ArraySlice<Command>, _ prod: inout UInt32) {
    let mask = (UInt32(1) << UInt32(CommandQueue.log2Size)) - 1
    for command in commands {
      hardware.write(command.words, at: base + UInt64(prod & mask) * Command.byteCount)
      prod = (prod &+ 1) & (mask << 1 | 1)
    }
    hardware.write(.cmdqProd, UInt64(prod))
    skipErrors()
  }

  /// The error bit of the command queue in GERROR.
  private static let commandError: UInt64 = 1

  private func skipErrors() {
    // Each round takes one bad command out of the way, and the queue holds no more than that.
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

  /// Begins anew at the first entry, as after a reset of the hardware.
  func restart() { prod.withLock { $0 = 0 } }
}
