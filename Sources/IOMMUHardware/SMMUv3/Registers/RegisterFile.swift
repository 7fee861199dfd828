// SPDX-License-Identifier: Apache-2.0

/// The message of an interrupt (its three registers IRQ_CFG0 to 2).
struct MessageInterrupt: Sendable, Equatable {
  /// The address that the message is written to; 0 if no message is set up.
  var address: UInt64 = 0
  /// The word that is written.
  var data: UInt32 = 0
  /// The memory attributes of the write, which have no effect here.
  var attributes: UInt32 = 0
}

/// The bits of GERROR and GERRORN (section 6.3.18).
struct GlobalError {
  /// CMDQ_ERR: the command queue has stopped at a command.
  static let cmdq: UInt32 = 1 << 0
  /// EVENTQ_ABT_ERR: a record could not be written to the event queue.
  static let eventqAbort: UInt32 = 1 << 2
  /// PRIQ_ABT_ERR: a record could not be written to the PRI queue.
  static let priqAbort: UInt32 = 1 << 3
  /// MSI_CMDQ_ABT_ERR: the message of a CMD_SYNC could not be written.
  static let msiCmdqAbort: UInt32 = 1 << 4
  /// MSI_EVENTQ_ABT_ERR: the message of the event queue's interrupt could not be written.
  static let msiEventqAbort: UInt32 = 1 << 5
  /// MSI_PRIQ_ABT_ERR: the message of the PRI queue's interrupt could not be written.
  static let msiPriqAbort: UInt32 = 1 << 6
  /// MSI_GERROR_ABT_ERR: the message of the global error interrupt could not be written.
  static let msiGerrorAbort: UInt32 = 1 << 7
  /// All bits that there are.
  static let all: UInt32 = 0x1fd
}

/// The bits of CR0 and CR0ACK (section 6.3.9).
struct Control {
  /// SMMUEN: the SMMU translates.
  static let smmuen: UInt32 = 1 << 0
  /// PRIQEN: page requests are put into the PRI queue.
  static let priqen: UInt32 = 1 << 1
  /// EVENTQEN: records are put into the event queue.
  static let eventqen: UInt32 = 1 << 2
  /// CMDQEN: commands are taken from the command queue.
  static let cmdqen: UInt32 = 1 << 3
  /// ATSCHK: translated transactions are checked.
  static let atschk: UInt32 = 1 << 4
}

/// The registers of the SMMU, without what a write to them makes the SMMU do. That is up to the
/// caller of `write`.
struct RegisterFile: Sendable {
  /// What the ID registers say.
  let features: SMMUv3Features
  /// CR0, which CR0ACK follows at once.
  var cr0: UInt32 = 0
  /// CR1.
  var cr1: UInt32 = 0
  /// CR2: E2H 0, RECINVSID 1, PTM 2.
  var cr2: UInt32 = 0
  /// GBPA. Out of reset SHCFG says that the incoming shareability is used, as with QEMU.
  var gbpa: UInt32 = 0x1000
  /// IRQ_CTRL, which IRQ_CTRLACK follows at once: the global error 0, the PRI queue 1, the event
  /// queue 2.
  var irqCtrl: UInt32 = 0
  /// GERROR. An error is active while its bit differs from GERRORN's.
  var gerror: UInt32 = 0
  /// GERRORN.
  var gerrorn: UInt32 = 0
  /// The message of the global error interrupt.
  var gerrorIRQ = MessageInterrupt()
  /// The message of the event queue's interrupt.
  var eventqIRQ = MessageInterrupt()
  /// The message of the PRI queue's interrupt.
  var priqIRQ = MessageInterrupt()
  /// STRTAB_BASE.
  var strtabBase: UInt64 = 0
  /// STRTAB_BASE_CFG.
  var strtabBaseCfg: UInt32 = 0
  /// The command queue's registers.
  var cmdq: QueueRegisters
  /// The event queue's registers.
  var eventq: QueueRegisters
  /// The PRI queue's registers.
  var priq: QueueRegisters

  /// The registers out of reset.
  init(_ features: SMMUv3Features) {
    self.features = features
    cmdq = QueueRegisters(greatestLog2Size: features.cmdqs, entryShift: 4)
    eventq = QueueRegisters(greatestLog2Size: features.evtqs, entryShift: 5)
    priq = QueueRegisters(greatestLog2Size: features.priqs, entryShift: 4)
  }

  /// The fields that translation depends on.
  var translation: TranslationRegisters {
    var result = TranslationRegisters()
    result.isEnabled = cr0 & Control.smmuen != 0
    result.checksATS = cr0 & Control.atschk != 0
    result.hasEL2Host = cr2 & 1 != 0
    result.recordsInvalidStreams = cr2 & 2 != 0
    result.abortsWhileDisabled = gbpa & 1 << 20 != 0
    result.streamTableBase = strtabBase & 0x000f_ffff_ffff_ffc0
    let cfg = UInt64(strtabBaseCfg)
    result.hasTwoLevels = cfg.field(17, 16) == 1
    result.streamTableLog2Size = Int(cfg.field(5, 0))
    result.streamTableSplit = Int(cfg.field(10, 6))
    return result
  }

  /// Whether the command queue has stopped at an error that software has not acknowledged.
  var isCommandQueueStopped: Bool { (gerror ^ gerrorn) & GlobalError.cmdq != 0 }

  /// Whether there are commands that can be carried out: the queue is enabled, has not stopped, and
  /// is not empty.
  var hasCommands: Bool {
    cr0 & Control.cmdqen != 0 && !isCommandQueueStopped && !cmdq.isEmpty
  }
}

extension RegisterFile {
  /// The value of a register. CR0ACK and IRQ_CTRLACK follow their registers at once.
  func value(_ register: SMMURegister) -> UInt64 {
    switch register {
    case .idr0: UInt64(features.idr0)
    case .idr1: UInt64(features.idr1)
    case .idr3: UInt64(features.idr3)
    case .idr5: UInt64(features.idr5)
    case .idr2, .idr4, .iidr, .aidr, .statusr: 0
    case .cr0, .cr0ack: UInt64(cr0)
    case .cr1: UInt64(cr1)
    case .cr2: UInt64(cr2)
    case .gbpa: UInt64(gbpa)
    case .irqCtrl, .irqCtrlAck: UInt64(irqCtrl)
    case .gerror: UInt64(gerror)
    case .gerrorn: UInt64(gerrorn)
    case .strtabBase: strtabBase
    case .strtabBaseCfg: UInt64(strtabBaseCfg)
    case .cmdqBase: cmdq.base
    case .cmdqProd: UInt64(cmdq.prod)
    case .cmdqCons: UInt64(cmdq.cons)
    case .eventqBase: eventq.base
    case .eventqProd: UInt64(eventq.prod)
    case .eventqCons: UInt64(eventq.cons)
    case .priqBase: priq.base
    case .priqProd: UInt64(priq.prod)
    case .priqCons: UInt64(priq.cons)
    case .gerrorIRQCfg0: gerrorIRQ.address
    case .gerrorIRQCfg1: UInt64(gerrorIRQ.data)
    case .gerrorIRQCfg2: UInt64(gerrorIRQ.attributes)
    case .eventqIRQCfg0: eventqIRQ.address
    case .eventqIRQCfg1: UInt64(eventqIRQ.data)
    case .eventqIRQCfg2: UInt64(eventqIRQ.attributes)
    case .priqIRQCfg0: priqIRQ.address
    case .priqIRQCfg1: UInt64(priqIRQ.data)
    case .priqIRQCfg2: UInt64(priqIRQ.attributes)
    }
  }

  /// Writes a register: only the bits that it has, and only while it may be written. Most addresses
  /// may be changed only while what they are for is disabled.
  mutating func write(_ value: UInt64, to register: SMMURegister) {
    let low = UInt32(truncatingIfNeeded: value)
    switch register {
    case .cr0: cr0 = low & supportedControl
    case .cr1: cr1 = low & 0xfff
    case .cr2: cr2 = low & (features.hyp ? 7 : 6)
    case .gbpa: writeGBPA(low)
    case .irqCtrl: irqCtrl = low & (features.pri ? 7 : 5)
    case .gerrorn: gerrorn = low & GlobalError.all
    case .strtabBase where !isEnabled(Control.smmuen):
      strtabBase = value & 0x400f_ffff_ffff_ffc0
    case .strtabBaseCfg where !isEnabled(Control.smmuen): strtabBaseCfg = low & 0x3_07ff
    case .cmdqBase where !isEnabled(Control.cmdqen): cmdq.base = value & Self.baseMask
    case .cmdqProd: cmdq.prod = low & QueueRegisters.indexMask
    case .cmdqCons where !isEnabled(Control.cmdqen):
      cmdq.cons = low & (QueueRegisters.indexMask | 0x7f00_0000)
    case .eventqBase where !isEnabled(Control.eventqen): eventq.base = value & Self.baseMask
    case .eventqProd where !isEnabled(Control.eventqen): eventq.prod = low & Self.indexMask
    case .eventqCons: eventq.cons = low & Self.indexMask
    case .priqBase where !isEnabled(Control.priqen) && features.pri:
      priq.base = value & Self.baseMask
    case .priqProd where !isEnabled(Control.priqen) && features.pri:
      priq.prod = low & Self.indexMask
    case .priqCons where features.pri: priq.cons = low & Self.indexMask
    default: writeInterrupt(value, to: register)
    }
  }

  /// The bits that the base register of a queue has.
  private static let baseMask: UInt64 = 0x400f_ffff_ffff_ffff
  /// The bits that PROD and CONS of the event and PRI queues have: the index, and the overflow
  /// flag.
  private static let indexMask: UInt32 = QueueRegisters.indexMask | 1 << 31

  /// Whether a bit of CR0 is set.
  private func isEnabled(_ bit: UInt32) -> Bool { cr0 & bit != 0 }

  /// The bits that CR0 has: those of features that there are.
  private var supportedControl: UInt32 {
    Control.smmuen | Control.eventqen | Control.cmdqen | (features.pri ? Control.priqen : 0)
      | (features.ats ? Control.atschk : 0)
  }

  /// Writes GBPA. A value without UPDATE is ignored. UPDATE itself reads as zero, because the
  /// update is done at once.
  private mutating func writeGBPA(_ value: UInt32) {
    if value & 1 << 31 == 0 { return }
    // The fields are MemAttr, MTCFG, ALLOCCFG, SHCFG, PRIVCFG, INSTCFG and ABORT.
    gbpa = value & 0x001f_3f1f
  }

  /// Writes a register of an interrupt's message, which may be changed only while the interrupt is
  /// disabled.
  private mutating func writeInterrupt(_ value: UInt64, to register: SMMURegister) {
    guard features.msi else { return }
    switch register {
    case .gerrorIRQCfg0, .gerrorIRQCfg1, .gerrorIRQCfg2:
      if irqCtrl & 1 == 0 { gerrorIRQ.write(value, to: register) }
    case .eventqIRQCfg0, .eventqIRQCfg1, .eventqIRQCfg2:
      if irqCtrl & 4 == 0 { eventqIRQ.write(value, to: register) }
    case .priqIRQCfg0, .priqIRQCfg1, .priqIRQCfg2:
      if irqCtrl & 2 == 0, features.pri { priqIRQ.write(value, to: register) }
    default: break
    }
  }
}

extension MessageInterrupt {
  /// Writes one of the three registers, of which only the bits that exist are kept.
  mutating func write(_ value: UInt64, to register: SMMURegister) {
    switch register {
    case .gerrorIRQCfg0, .eventqIRQCfg0, .priqIRQCfg0: address = value & 0x000f_ffff_ffff_fffc
    case .gerrorIRQCfg1, .eventqIRQCfg1, .priqIRQCfg1: data = UInt32(truncatingIfNeeded: value)
    default: attributes = UInt32(truncatingIfNeeded: value) & 0x3f
    }
  }
}
