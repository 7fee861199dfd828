// SPDX-License-Identifier: Apache-2.0

/// A register of the CMDQV: what an offset means.
enum CMDQVRegister: Equatable {
  // The configuration page.
  case config
  case parameters
  case status
  /// One of two words.
  case interfaceErrorMap(Int)
  case interfaceInterruptMask(Int)
  /// One of four words.
  case queueErrorMap(Int)
  case allocation(queue: Int)
  case interfaceConfig(Int)
  case interfaceStatus(Int)
  case sidMatch(Int, slot: Int)
  case sidReplace(Int, slot: Int)
  /// One of four words, and the next with it if 8 bytes are read.
  case logicalQueueErrorMap(Int, word: Int)
  // The pages of queues.
  case queue(VCMDQPlace, VCMDQRegister)

  static let pageSize: UInt32 = 0x1_0000
  private static let queueStride: UInt32 = 0x80
  private static let firstInterfacePage: UInt32 = 0x3_0000

  /// What an offset means; nil if nothing.
  ///
  /// - Throws: 4 bytes are taken everywhere; 8 of LVCMDQ_ERR_MAP and where the base addresses are.
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

  /// What an offset into page 0 of an interface means.
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

/// Through which pages a queue is reached.
enum VCMDQPlace: Equatable {
  case global(Int)
  case logical(vintf: Int, Int)
}

/// A register of a queue.
enum VCMDQRegister: Equatable {
  case cons
  case prod
  case config
  case status
  case gerror
  case gerrorn
  /// 8 bytes, of which 4 may be written at a time.
  case base(isUpperHalf: Bool)
  case consBase(isUpperHalf: Bool)

  /// - Parameter offset: from the beginning of the queue's part of a page.
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
