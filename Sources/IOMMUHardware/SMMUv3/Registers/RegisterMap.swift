// SPDX-License-Identifier: Apache-2.0

/// A register of the SMMU by its offset in bytes (IHI 0070, chapter 6). PROD and CONS of the event
/// queue and of the PRI queue are in page 1, and can be reached in page 0 too.
public enum SMMURegister: UInt32, Sendable, CaseIterable {
  /// IDR0: features. See `SMMUv3Features`, also for the other ID registers.
  case idr0 = 0x00
  /// IDR1: sizes of IDs and queues.
  case idr1 = 0x04
  /// IDR2: zero here.
  case idr2 = 0x08
  /// IDR3: more features.
  case idr3 = 0x0c
  /// IDR4: zero here.
  case idr4 = 0x10
  /// IDR5: address sizes, granules and the number of stalls.
  case idr5 = 0x14
  /// IIDR: the implementer; zero here.
  case iidr = 0x18
  /// AIDR: the architecture's version; zero here.
  case aidr = 0x1c
  /// CR0: enables the SMMU and its queues.
  case cr0 = 0x20
  /// CR0ACK: the bits of CR0 that are in effect. Read-only.
  case cr0ack = 0x24
  /// CR1: memory attributes of tables and queues.
  case cr1 = 0x28
  /// CR2: E2H 0, RECINVSID 1, PTM 2.
  case cr2 = 0x2c
  /// STATUSR: zero here.
  case statusr = 0x40
  /// GBPA: what is done with transactions while the SMMU is disabled.
  case gbpa = 0x44
  /// IRQ_CTRL: enables interrupts.
  case irqCtrl = 0x50
  /// IRQ_CTRLACK: the bits of IRQ_CTRL that are in effect. Read-only.
  case irqCtrlAck = 0x54
  /// GERROR: global errors. An error is active while its bit differs from GERRORN's. Read-only.
  case gerror = 0x60
  /// GERRORN: software acknowledges an error by making its bit equal to GERROR's.
  case gerrorn = 0x64
  /// GERROR_IRQ_CFG0: the address of the global error interrupt's message.
  case gerrorIRQCfg0 = 0x68
  /// GERROR_IRQ_CFG1: the data of that message.
  case gerrorIRQCfg1 = 0x70
  /// GERROR_IRQ_CFG2: the memory attributes of that message.
  case gerrorIRQCfg2 = 0x74
  /// STRTAB_BASE: the address of the stream table.
  case strtabBase = 0x80
  /// STRTAB_BASE_CFG: the stream table's size and format.
  case strtabBaseCfg = 0x88
  /// CMDQ_BASE: the command queue's address and size.
  case cmdqBase = 0x90
  /// CMDQ_PROD: software writes the index behind the last command.
  case cmdqProd = 0x98
  /// CMDQ_CONS: the index of the next command, and the error that the queue stopped with.
  case cmdqCons = 0x9c
  /// EVENTQ_BASE: the event queue's address and size.
  case eventqBase = 0xa0
  /// EVENTQ_IRQ_CFG0: the address of the event queue interrupt's message.
  case eventqIRQCfg0 = 0xb0
  /// EVENTQ_IRQ_CFG1: the data of that message.
  case eventqIRQCfg1 = 0xb8
  /// EVENTQ_IRQ_CFG2: the memory attributes of that message.
  case eventqIRQCfg2 = 0xbc
  /// PRIQ_BASE: the PRI queue's address and size.
  case priqBase = 0xc0
  /// PRIQ_IRQ_CFG0: the address of the PRI queue interrupt's message.
  case priqIRQCfg0 = 0xd0
  /// PRIQ_IRQ_CFG1: the data of that message.
  case priqIRQCfg1 = 0xd8
  /// PRIQ_IRQ_CFG2: the memory attributes of that message.
  case priqIRQCfg2 = 0xdc
  /// EVENTQ_PROD: the index behind the last record, and OVFLG.
  case eventqProd = 0x1_00a8
  /// EVENTQ_CONS: software writes the index of the next record, and OVACKFLG.
  case eventqCons = 0x1_00ac
  /// PRIQ_PROD: the index behind the last request, and OVFLG.
  case priqProd = 0x1_00c8
  /// PRIQ_CONS: software writes the index of the next request, and OVACKFLG.
  case priqCons = 0x1_00cc

  /// The bytes of both pages of registers, of 64 KiB each.
  public static let byteCount: UInt32 = 0x2_0000

  /// The bytes of the register: 8 if it has an address, else 4.
  public var width: Int {
    switch self {
    case .gerrorIRQCfg0, .strtabBase, .cmdqBase, .eventqBase, .eventqIRQCfg0, .priqBase,
      .priqIRQCfg0:
      8
    default: 4
    }
  }

  /// The register that has the word of 4 bytes at an offset; nil if there is none.
  init?(containing offset: UInt32) {
    var offset = offset & ~3
    // The indices of page 1 can be reached in page 0 as well.
    if [0xa8, 0xac, 0xc8, 0xcc].contains(offset) { offset |= 0x1_0000 }
    if let register = SMMURegister(rawValue: offset) {
      self = register
    } else if offset >= 4, let register = SMMURegister(rawValue: offset - 4),
      register.width == 8
    {
      self = register
    } else {
      return nil
    }
  }
}

/// Why an access to registers is refused.
public enum RegisterError: Error, Sendable, Equatable {
  /// The width is neither 4 nor 8 bytes, or it is 8 where only 4 are allowed.
  case width(offset: UInt32, Int)
  /// The offset is not a multiple of the width.
  case alignment(offset: UInt32)
  /// The offset is behind the last page of registers.
  case outside(offset: UInt32)
}
