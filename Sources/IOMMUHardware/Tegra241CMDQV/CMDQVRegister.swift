// SPDX-License-Identifier: Apache-2.0

/// A register of the CMDQV, decoded from its offset. The offsets are those of Linux's
/// `tegra241-cmdqv.c`.
enum CMDQVRegister: Equatable {
  // These are in the configuration page.
  /// CONFIG, at 0x000.
  case config
  /// PARAM, at 0x004.
  case parameters
  /// STATUS, at 0x008.
  case status
  /// VI_ERR_MAP: one of two words, with a bit for each interface.
  case interfaceErrorMap(Int)
  /// VI_INT_MASK: one of two words, with a bit for each interface.
  case interfaceInterruptMask(Int)
  /// CMDQ_ERR_MAP: one of four words, with a bit for each queue.
  case queueErrorMap(Int)
  /// CMDQ_ALLOC of a queue.
  case allocation(queue: Int)
  /// VINTF_CONFIG of an interface.
  case interfaceConfig(Int)
  /// VINTF_STATUS of an interface.
  case interfaceStatus(Int)
  /// SID_MATCH of a slot of an interface.
  case sidMatch(Int, slot: Int)
  /// SID_REPLACE of a slot of an interface.
  case sidReplace(Int, slot: Int)
  /// LVCMDQ_ERR_MAP of an interface: one of four words of 4 bytes. A read of 8 bytes gets the next
  /// word with it.
  case logicalQueueErrorMap(Int, word: Int)
  // These are in the pages of queues.
  /// A register of a queue, and through which page it is reached.
  case queue(VCMDQPlace, VCMDQRegister)

  /// Bytes of a page.
  static let pageSize: UInt32 = 0x1_0000
  /// Bytes between the registers of two queues in a page.
  private static let queueStride: UInt32 = 0x80
  /// Where page 0 of the first interface is.
  private static let firstInterfacePage: UInt32 = 0x3_0000

  /// The register at an offset from the beginning of the configuration page; nil if there is none.
  ///
  /// - Throws: `RegisterError`, unless `width` is 4, or is 8 where LVCMDQ_ERR_MAP or the base
  ///   addresses are; also if the offset is not a multiple of the width, or behind the last page.
  init?(_ offset: UInt32, _ width: Int, _ size: Tegra241CMDQV.Size) throws(RegisterError) {
    try CMDQVRegister.check(offset, width, limit: Tegra241CMDQV.byteCount(size))
    let page = offset / CMDQVRegister.pageSize
    let rest = offset % CMDQVRegister.pageSize
    let isBasePage = page == 2 || page >= 4 && page % 2 == 0
    if width == 8, !isBasePage, !(page == 0 && CMDQVRegister.isErrorMap(rest, size)) {
      throw .width(offset: offset, width)
    }
    if page == 0 {
      guard let register = CMDQVRegister(configurationPage: rest, size) else { return nil }
      self = register
      return
    }
    guard let register = VCMDQRegister(rest % CMDQVRegister.queueStride, isBasePage: isBasePage)
    else { return nil }
    let index = Int(rest / CMDQVRegister.queueStride)
    if page < 3 {
      guard index < size.vcmdqs else { return nil }
      self = .queue(.global(index), register)
    } else {
      guard index < Tegra241CMDQV.logicalQueueLimit else { return nil }
      self = .queue(.logical(vintf: Int(page - 3) / 2, index), register)
    }
  }

  /// The register at an offset into page 0 of an interface; nil if there is none.
  ///
  /// - Throws: `RegisterError`, unless `width` is 4; also if the offset is not a multiple of 4, or
  ///   outside the page.
  init?(window vintf: Int, _ offset: UInt32, _ width: Int) throws(RegisterError) {
    if width != 4 { throw .width(offset: offset, width) }
    try CMDQVRegister.check(offset, width, limit: UInt64(CMDQVRegister.pageSize))
    let index = Int(offset / CMDQVRegister.queueStride)
    guard index < Tegra241CMDQV.logicalQueueLimit,
      let register = VCMDQRegister(offset % CMDQVRegister.queueStride, isBasePage: false)
    else { return nil }
    self = .queue(.logical(vintf: vintf, index), register)
  }

  private static func check(
    _ offset: UInt32, _ width: Int, limit: UInt64
  ) throws(RegisterError) {
    guard width == 4 || width == 8 else { throw .width(offset: offset, width) }
    if offset % UInt32(width) != 0 { throw .alignment(offset: offset) }
    if UInt64(offset) >= limit { throw .outside(offset: offset) }
  }

  private static func isErrorMap(_ offset: UInt32, _ size: Tegra241CMDQV.Size) -> Bool {
    if case .logicalQueueErrorMap = CMDQVRegister(configurationPage: offset, size) { return true }
    return false
  }

  private init?(configurationPage offset: UInt32, _ size: Tegra241CMDQV.Size) {
    switch offset {
    case 0x000: self = .config
    case 0x004: self = .parameters
    case 0x008: self = .status
    case 0x014, 0x018: self = .interfaceErrorMap(Int(offset - 0x014) / 4)
    case 0x01c, 0x020: self = .interfaceInterruptMask(Int(offset - 0x01c) / 4)
    case 0x024...0x030: self = .queueErrorMap(Int(offset - 0x024) / 4)
    case 0x200..<0x400:
      let queue = Int(offset - 0x200) / 4
      guard queue < size.vcmdqs else { return nil }
      self = .allocation(queue: queue)
    case 0x1000..<0x5000:
      let vintf = Int(offset - 0x1000) / 0x100
      guard vintf < size.vintfs else { return nil }
      self.init(interface: vintf, offset & 0xff, size)
    default: return nil
    }
  }

  private init?(interface vintf: Int, _ offset: UInt32, _ size: Tegra241CMDQV.Size) {
    let slot = Int(offset & 0x3f) / 4
    switch offset {
    case 0x00: self = .interfaceConfig(vintf)
    case 0x04: self = .interfaceStatus(vintf)
    case 0x40..<0x80 where slot < size.sidsPerVINTF: self = .sidMatch(vintf, slot: slot)
    case 0x80..<0xc0 where slot < size.sidsPerVINTF: self = .sidReplace(vintf, slot: slot)
    case 0xc0..<0xd0: self = .logicalQueueErrorMap(vintf, word: Int(offset - 0xc0) / 4)
    default: return nil
    }
  }
}

/// The pages through which a queue is reached. It has a place in the global pages, and one in the
/// pages of its interface while it is mapped.
enum VCMDQPlace: Equatable {
  /// The global pages, by the global number.
  case global(Int)
  /// The pages of an interface, by the logical number there.
  case logical(vintf: Int, Int)
}

/// A register of a queue (VCMDQ).
enum VCMDQRegister: Equatable {
  /// CONS_INDX.
  case cons
  /// PROD_INDX.
  case prod
  /// CONFIG.
  case config
  /// STATUS.
  case status
  /// GERROR.
  case gerror
  /// GERRORN.
  case gerrorn
  /// BASE: 8 bytes, of which 4 may be accessed at a time. Then `isUpperHalf` tells which.
  case base(isUpperHalf: Bool)
  /// CONS_INDX_BASE_DRAM: 8 bytes like BASE.
  case consBase(isUpperHalf: Bool)

  /// The register at an offset; nil if there is none.
  ///
  /// - Parameters:
  ///   - offset: from the beginning of the queue's part of a page.
  ///   - isBasePage: whether it is the page of base addresses, else the one of control registers.
  init?(_ offset: UInt32, isBasePage: Bool) {
    switch (isBasePage, offset) {
    case (false, 0x00): self = .cons
    case (false, 0x04): self = .prod
    case (false, 0x08): self = .config
    case (false, 0x0c): self = .status
    case (false, 0x10): self = .gerror
    case (false, 0x14): self = .gerrorn
    case (true, 0x00), (true, 0x04): self = .base(isUpperHalf: offset == 0x04)
    case (true, 0x08), (true, 0x0c): self = .consBase(isUpperHalf: offset == 0x0c)
    default: return nil
    }
  }
}
