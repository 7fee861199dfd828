// SPDX-License-Identifier: Apache-2.0

/// An entry of a command queue: two 64-bit words (IHI 0070, chapter 4). Any sixteen bytes are one;
/// whether an SMMU accepts it depends on its features.
public struct Command: Sendable, Hashable, BitwiseCopyable {
  /// The bytes of an entry in memory.
  public static let byteCount: UInt64 = 16

  /// What is to be done (dw0 bits 7:0). This is not an enumeration, because a guest may write any
  /// value.
  public struct Opcode: RawRepresentable, Sendable, Hashable, BitwiseCopyable {
    /// The opcode's number, 0 to 255.
    public let rawValue: UInt8
    /// An opcode by its number, which may be one without a name.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// CMD_PREFETCH_CONFIG: a hint that a stream will be used. It has no effect here.
    public static let prefetchConfig = Opcode(rawValue: 0x01)
    /// CMD_PREFETCH_ADDR: a hint that an address will be used. It has no effect here.
    public static let prefetchAddress = Opcode(rawValue: 0x02)
    /// CMD_CFGI_STE: drops what is cached of a stream table entry, and of the context descriptors
    /// that it leads to.
    public static let cfgiSTE = Opcode(rawValue: 0x03)
    /// CMD_CFGI_STE_RANGE: drops what is cached of a range of stream table entries. With a range of
    /// 31 it is CMD_CFGI_ALL, which drops everything of all of them.
    public static let cfgiSTERange = Opcode(rawValue: 0x04)
    /// CMD_CFGI_CD: drops what is cached of a context descriptor.
    public static let cfgiCD = Opcode(rawValue: 0x05)
    /// CMD_CFGI_CD_ALL: drops what is cached of all context descriptors of a stream.
    public static let cfgiCDAll = Opcode(rawValue: 0x06)
    /// CMD_TLBI_NH_ALL: drops the stage 1 translations of a VMID.
    public static let tlbiNHAll = Opcode(rawValue: 0x10)
    /// CMD_TLBI_NH_ASID: drops the stage 1 translations of an ASID of a VMID.
    public static let tlbiNHASID = Opcode(rawValue: 0x11)
    /// CMD_TLBI_NH_VA: drops the stage 1 translations of addresses of an ASID of a VMID.
    public static let tlbiNHVA = Opcode(rawValue: 0x12)
    /// CMD_TLBI_NH_VAA: drops the stage 1 translations of addresses of a VMID, whatever their ASID.
    public static let tlbiNHVAA = Opcode(rawValue: 0x13)
    /// CMD_TLBI_EL3_ALL: belongs to the secure side, so it is illegal here.
    public static let tlbiEL3All = Opcode(rawValue: 0x18)
    /// CMD_TLBI_EL3_VA: belongs to the secure side, so it is illegal here.
    public static let tlbiEL3VA = Opcode(rawValue: 0x1a)
    /// CMD_TLBI_EL2_ALL: drops the translations of EL2.
    public static let tlbiEL2All = Opcode(rawValue: 0x20)
    /// CMD_TLBI_EL2_ASID: drops EL2's translations of an ASID.
    public static let tlbiEL2ASID = Opcode(rawValue: 0x21)
    /// CMD_TLBI_EL2_VA: drops EL2's translations of addresses of an ASID.
    public static let tlbiEL2VA = Opcode(rawValue: 0x22)
    /// CMD_TLBI_EL2_VAA: drops EL2's translations of addresses, whatever their ASID.
    public static let tlbiEL2VAA = Opcode(rawValue: 0x23)
    /// CMD_TLBI_S12_VMALL: drops the translations of both stages of a VMID.
    public static let tlbiS12VMAll = Opcode(rawValue: 0x28)
    /// CMD_TLBI_S2_IPA: drops the stage 2 translations of addresses of a VMID.
    public static let tlbiS2IPA = Opcode(rawValue: 0x2a)
    /// CMD_TLBI_NSNH_ALL: drops all translations of the non-secure side except EL2's.
    public static let tlbiNSNHAll = Opcode(rawValue: 0x30)
    /// CMD_ATC_INV: has a device drop translations from its own cache.
    public static let atcInv = Opcode(rawValue: 0x40)
    /// CMD_PRI_RESP: answers a group of page requests.
    public static let priResp = Opcode(rawValue: 0x41)
    /// CMD_RESUME: answers a stalled transaction.
    public static let resume = Opcode(rawValue: 0x44)
    /// CMD_STALL_TERM: aborts all stalled transactions of a stream.
    public static let stallTerm = Opcode(rawValue: 0x45)
    /// CMD_SYNC: is done when all commands before it are.
    public static let sync = Opcode(rawValue: 0x46)
  }

  /// Bits 63 to 0 of the command.
  public var dw0: UInt64
  /// Bits 127 to 64 of the command.
  public var dw1: UInt64

  /// A command by its words.
  public init(dw0: UInt64, dw1: UInt64) {
    self.dw0 = dw0
    self.dw1 = dw1
  }

  /// A command with its opcode; all other bits are zero.
  init(_ opcode: Opcode) { self.init(dw0: UInt64(opcode.rawValue), dw1: 0) }

  /// The two words, in the order in which they are in memory.
  public var words: [UInt64] { [dw0, dw1] }

  /// What is to be done, dw0 bits 7:0.
  public var opcode: Opcode { Opcode(rawValue: UInt8(truncatingIfNeeded: dw0)) }

  /// SSec, dw0 bit 10: the command is for the secure state. There is none here, so such a command
  /// is illegal.
  public var isSecure: Bool { dw0.bit(10) }
  /// SSV, dw0 bit 11: whether the command names a substream.
  public var hasSubstream: Bool { dw0.bit(11) }
  /// SSID, dw0 bits 31:12: the substream ID (PASID).
  public var substreamID: UInt32 { UInt32(truncatingIfNeeded: dw0.field(31, 12)) }
  /// SID, dw0 bits 63:32: the stream ID.
  public var streamID: UInt32 { UInt32(truncatingIfNeeded: dw0.field(63, 32)) }
  /// VMID, dw0 bits 47:32: the VM whose translations are meant.
  public var vmid: UInt16 { UInt16(truncatingIfNeeded: dw0.field(47, 32)) }
  /// ASID, dw0 bits 63:48: the address space whose translations are meant.
  public var asid: UInt16 { UInt16(truncatingIfNeeded: dw0.field(63, 48)) }
  /// LEAF, dw1 bit 0: only the last level has changed, and what is cached of the levels before it
  /// may stay.
  public var isLeaf: Bool { dw1.bit(0) }
  /// ADDR, dw1 bits 63:12: an address in bytes; its lowest twelve bits are zero.
  public var address: UInt64 { dw1 & ~0xfff }
  /// NUM, dw0 bits 16:12. A range has `(NUM + 1) * 2^SCALE` pages.
  var num: UInt64 { dw0.field(16, 12) }
  /// SCALE, dw0 bits 25:20. Its uppermost bit counts only with IDR5.DS.
  func scale(hasDS: Bool) -> UInt64 { dw0.field(hasDS ? 25 : 24, 20) }
  /// TTL, dw1 bits 9:8: the level of the leaves; 0 for any.
  var ttl: UInt64 { dw1.field(9, 8) }
  /// TG, dw1 bits 11:10: the granule. 0 says nothing, 1 is 4 KiB, 2 is 16 KiB, 3 is 64 KiB.
  var tg: UInt64 { dw1.field(11, 10) }
}

// MARK: Making them

extension Command {
  /// A CFGI_STE, which drops one stream's entry and its context descriptors.
  ///
  /// - Parameter leaf: whether the first-level table has stayed as it was.
  public static func cfgiSTE(_ stream: UInt32, leaf: Bool = true) -> Command {
    var command = Command(.cfgiSTE)
    command.dw0.setField(63, 32, UInt64(stream))
    command.dw1.setBit(0, leaf)
    return command
  }

  /// A CFGI_ALL, which drops all stream table entries and context descriptors.
  public static var cfgiAll: Command { Command(dw0: 0x04, dw1: 31) }

  /// A CFGI_CD, which drops one context descriptor.
  ///
  /// - Parameter leaf: whether the first-level table has stayed as it was.
  public static func cfgiCD(_ stream: UInt32, _ substream: UInt32, leaf: Bool = true) -> Command {
    var command = Command(.cfgiCD)
    command.dw0.setField(31, 12, UInt64(substream))
    command.dw0.setField(63, 32, UInt64(stream))
    command.dw1.setBit(0, leaf)
    return command
  }

  /// A CFGI_CD_ALL, which drops all context descriptors of a stream.
  public static func cfgiCDAll(_ stream: UInt32) -> Command {
    var command = Command(.cfgiCDAll)
    command.dw0.setField(63, 32, UInt64(stream))
    return command
  }

  /// A TLBI_NH_ALL, which drops what stage 1 has translated for a VM.
  public static func tlbiNHAll(vmid: UInt16) -> Command {
    Command(.tlbiNHAll, vmid: vmid, asid: 0)
  }

  /// A TLBI_NH_ASID, which drops what stage 1 has translated for one address space of a VM.
  public static func tlbiNHASID(vmid: UInt16, asid: UInt16) -> Command {
    Command(.tlbiNHASID, vmid: vmid, asid: asid)
  }

  /// A TLBI_NH_VA, which drops the translation of one address of an address space.
  ///
  /// - Parameters:
  ///   - address: of which the lowest twelve bits are cut off.
  ///   - leaf: whether only the last level's table has changed.
  public static func tlbiNHVA(
    vmid: UInt16, asid: UInt16, address: UInt64, leaf: Bool = true
  ) -> Command {
    Command(.tlbiNHVA, vmid: vmid, asid: asid, address: address, leaf: leaf)
  }

  /// A TLBI_NH_VAA, which drops the translations of one address in all address spaces of a VM.
  ///
  /// - Parameters:
  ///   - address: of which the lowest twelve bits are cut off.
  ///   - leaf: whether only the last level's table has changed.
  public static func tlbiNHVAA(vmid: UInt16, address: UInt64, leaf: Bool = true) -> Command {
    Command(.tlbiNHVAA, vmid: vmid, asid: 0, address: address, leaf: leaf)
  }

  /// A TLBI_EL2_ALL, which drops all translations of EL2.
  public static var tlbiEL2All: Command { Command(.tlbiEL2All) }

  /// A TLBI_EL2_VA, which drops the translation of one address of EL2.
  ///
  /// - Parameters:
  ///   - asid: the address space; it counts only with CR2.E2H.
  ///   - address: of which the lowest twelve bits are cut off.
  ///   - leaf: whether only the last level's table has changed.
  public static func tlbiEL2VA(asid: UInt16, address: UInt64, leaf: Bool = true) -> Command {
    Command(.tlbiEL2VA, vmid: 0, asid: asid, address: address, leaf: leaf)
  }

  /// A TLBI_S12_VMALL, which drops all translations of a VM.
  public static func tlbiS12VMAll(vmid: UInt16) -> Command {
    Command(.tlbiS12VMAll, vmid: vmid, asid: 0)
  }

  /// A TLBI_S2_IPA, which drops what stage 2 has translated one intermediate address to.
  /// Translations of both stages together stay.
  ///
  /// - Parameters:
  ///   - address: of which the lowest twelve bits are cut off.
  ///   - leaf: whether only the last level's table has changed.
  public static func tlbiS2IPA(vmid: UInt16, address: UInt64, leaf: Bool = true) -> Command {
    Command(.tlbiS2IPA, vmid: vmid, asid: 0, address: address, leaf: leaf)
  }

  /// A TLBI_NSNH_ALL, which drops all translations except EL2's.
  public static var tlbiNSNHAll: Command { Command(.tlbiNSNHAll) }

  /// An ATC_INV, which has a device drop what it has cached of a range of addresses.
  ///
  /// - Parameters:
  ///   - substream: the PASID; without one, all entries are meant, with a PASID or without.
  ///   - address: an address of the range; the lowest twelve bits are cut off.
  ///   - sizeLog2: the logarithm of the range's pages of 4 KiB, to whose size it is aligned; 52 for
  ///     all addresses.
  ///   - global: with a PASID, whether entries of every other PASID are meant too.
  public static func atcInv(
    _ stream: UInt32, _ substream: UInt32?, address: UInt64, sizeLog2: UInt64, global: Bool = false
  ) -> Command {
    var command = Command(.atcInv)
    command.dw0.setBit(9, global)
    command.dw0.setBit(11, substream != nil)
    command.dw0.setField(31, 12, UInt64(substream ?? 0))
    command.dw0.setField(63, 32, UInt64(stream))
    command.dw1 = address & ~0xfff
    command.dw1.setField(5, 0, sizeLog2)
    return command
  }

  /// A RESUME, which answers a stalled transaction.
  ///
  /// - Parameters:
  ///   - stag: the tag of the transaction, from its event record.
  ///   - response: 0 terminates it, 1 has the device try again, 2 aborts it.
  public static func resume(_ stream: UInt32, stag: UInt16, response: UInt64) -> Command {
    var command = Command(.resume)
    command.dw0.setField(13, 12, response)
    command.dw0.setField(63, 32, UInt64(stream))
    command.dw1 = UInt64(stag)
    return command
  }

  /// A STALL_TERM, which aborts all stalled transactions of a stream.
  public static func stallTerm(_ stream: UInt32) -> Command {
    var command = Command(.stallTerm)
    command.dw0.setField(63, 32, UInt64(stream))
    return command
  }

  /// A PRI_RESP, which answers a group of page requests.
  ///
  /// - Parameters:
  ///   - group: PRGIDX, 9 bits.
  ///   - response: RESP, by the values of `PageResponse.Code`.
  public static func priResp(
    _ stream: UInt32, _ substream: UInt32?, group: UInt16, response: UInt64
  ) -> Command {
    var command = Command(.priResp)
    command.dw0.setBit(11, substream != nil)
    command.dw0.setField(31, 12, UInt64(substream ?? 0))
    command.dw0.setField(63, 32, UInt64(stream))
    command.dw1.setField(8, 0, UInt64(group))
    command.dw1.setField(13, 12, response)
    return command
  }

  /// A CMD_SYNC that signals nothing when it is done (CS 0).
  public static var sync: Command { Command(.sync) }

  /// A CMD_SYNC that writes `data` to `address` when it is done (CS 1). If the address is 0, the
  /// interrupt for CMD_SYNC is raised instead.
  public static func sync(messageAddress address: UInt64, data: UInt32) -> Command {
    var command = Command(.sync)
    command.dw0.setField(13, 12, 1)
    command.dw0.setField(63, 32, UInt64(data))
    command.dw1 = address & 0x000f_ffff_ffff_fffc
    return command
  }

  private init(
    _ opcode: Opcode, vmid: UInt16, asid: UInt16, address: UInt64 = 0, leaf: Bool = false
  ) {
    self.init(opcode)
    dw0.setField(47, 32, UInt64(vmid))
    dw0.setField(63, 48, UInt64(asid))
    dw1 = address & ~0xfff
    dw1.setBit(0, leaf)
  }

  /// The same invalidation for a range of `(num + 1) * 2^scale` pages (IDR3.RIL).
  ///
  /// - Parameters:
  ///   - granule: TG: 1 for pages of 4 KiB, 2 for 16 KiB, 3 for 64 KiB.
  ///   - num: NUM, at most 31.
  ///   - scale: SCALE, at most 31, or 63 with IDR5.DS.
  ///   - level: TTL, the level of the leaves; 0 for any.
  public func overRange(granule: UInt64, num: UInt64, scale: UInt64, level: UInt64 = 0) -> Command {
    var command = self
    command.dw0.setField(16, 12, num)
    command.dw0.setField(25, 20, scale)
    command.dw1.setField(9, 8, level)
    command.dw1.setField(11, 10, granule)
    return command
  }
}
