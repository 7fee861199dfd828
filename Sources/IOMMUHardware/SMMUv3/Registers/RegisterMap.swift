// SPDX-License-Identifier: Apache-2.0

/// A register of the SMMU by its offset (IHI 0070, chapter 6). The indices of the event and the
/// PRI queue are in page 1, and answer in page 0 too.
public enum SMMURegister: UInt32, Sendable, CaseIterable {
  case idr0 = 0x00
  case idr1 = 0x04
  case idr2 = 0x08
  case idr3 = 0x0c
  case idr4 = 0x10
  case idr5 = 0x14
  case iidr = 0x18
  case aidr = 0x1c
  case cr0 = 0x20
  case cr0ack = 0x24
  case cr1 = 0x28
  case cr2 = 0x2c
  case statusr = 0x40
  case gbpa = 0x44
  case irqCtrl = 0x50
  case irqCtrlAck = 0x54
  case gerror = 0x60
  case gerrorn = 0x64
  case gerrorIRQCfg0 = 0x68
  case gerrorIRQCfg1 = 0x70
  case gerrorIRQCfg2 = 0x74
  case strtabBase = 0x80
  case strtabBaseCfg = 0x88
  case cmdqBase = 0x90
  case cmdqProd = 0x98
  case cmdqCons = 0x9c
  case eventqBase = 0xa0
  case eventqIRQCfg0 = 0xb0
  case eventqIRQCfg1 = 0xb8
  case eventqIRQCfg2 = 0xbc
  case priqBase = 0xc0
  case priqIRQCfg0 = 0xd0
  case priqIRQCfg1 = 0xd8
  case priqIRQCfg2 = 0xdc
  case eventqProd = 0x1_00a8
  case eventqCons = 0x1_00ac
  case priqProd = 0x1_00c8
  case priqCons = 0x1_00cc

  /// Bytes of both pages.
  public static let byteCount: UInt32 = 0x2_0000

  /// 8 for those with an address, else 4 bytes.
  public var width: Int {
    switch self {
    case .gerrorIRQCfg0, .strtabBase, .cmdqBase, .eventqBase, .eventqIRQCfg0, .priqBase,
      .priqIRQCfg0:
      8
    default: 4
    }
  }

  /// The register that an offset falls into.
  init?(containing offset: UInt32) {
    var offset = offset & ~3
    // Page 0 shows the indices that are page 1's.
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

/// An access that the register file does not take.
public enum RegisterError: Error, Sendable, Equatable {
  /// Neither 4 nor 8 bytes, or 8 of a register that has 4.
  case width(offset: UInt32, Int)
  /// The offset is no multiple of the width.
  case alignment(offset: UInt32)
  /// Behind the two pages.
  case outside(offset: UInt32)
}
