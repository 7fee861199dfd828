// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// Checks a guest's invalidation command, and makes of it the command that is put into the host's
/// queue, with the host's VMID or stream ID in it (`arm_vsmmu_convert_user_cmd`). A command that
/// the hardware would reject must not get there, because it would stop the host's queue.
struct GuestCommand {
  let features: SMMUv3Features
  /// The VMID that the host has given to the guest's translations.
  let vmid: UInt16
  /// Gives the stream ID of a device by the virtual ID that the guest has for it; nil if the guest
  /// has no such device.
  let stream: (UInt32) -> UInt32?

  /// The command that the host's queue gets.
  ///
  /// - Throws: `EIO` for a command that a guest may not send.
  func converted(_ command: Command) throws(Refusal) -> Command {
    guard let mask = mask(of: command.opcode) else {
      throw refused("opcode \(hex(UInt64(command.opcode.rawValue))) is not for guests")
    }
    let stray = (command.dw0 & ~mask.0, command.dw1 & ~mask.1)
    guard stray.0 == 0, stray.1 == 0 else {
      throw refused("the bits \(hex(stray.0)) and \(hex(stray.1)) must be 0")
    }
    var result = command
    switch command.opcode {
    case .tlbiNSNHAll:
      return .tlbiNHAll(vmid: vmid)
    case .tlbiNHAll, .tlbiNHASID:
      result.setVMID(vmid)
    case .tlbiNHVA, .tlbiNHVAA:
      try checkRange(command)
      result.setVMID(vmid)
    default:
      try checkSize(command)
      guard let physical = stream(command.streamID) else {
        throw refused("the vIOMMU has no vdev \(hex(UInt64(command.streamID)))")
      }
      result.setStreamID(physical)
    }
    return result
  }

  private func refused(_ detail: String) -> Refusal { Refusal(.EIO, field: "commands", detail) }

  /// The bits that a guest may set in the two words of a command, by the features of the host's
  /// SMMU; nil if a guest may not send the command at all.
  private func mask(of opcode: Command.Opcode) -> (UInt64, UInt64)? {
    let asid: UInt64 = features.asid16 ? 0xffff << 48 : 0xff << 48
    let vmid: UInt64 = 0xffff << 32
    let stream: UInt64 = 0xffff_ffff << 32
    let op: UInt64 = 0xff
    // These are NUM and SCALE. The uppermost bit of SCALE exists only with IDR5.DS.
    let range: UInt64 = features.ril ? features.ds ? 0x03f1_f000 : 0x01f1_f000 : 0
    let address: UInt64 = ~0xfff | (features.ril ? 0xf00 : 0) | 1
    let hasSubstreams = features.ssidSize > 0
    return switch opcode {
    case .tlbiNSNHAll: (op, 0)
    case .tlbiNHAll: (op | vmid, 0)
    case .tlbiNHASID: (op | vmid | asid, 0)
    case .tlbiNHVA: (op | vmid | asid | range, address)
    case .tlbiNHVAA: (op | vmid | range, address)
    // The bits of dw0 are GLOBAL, SSV and SSID besides the opcode and the stream ID.
    case .atcInv: (op | stream | (hasSubstreams ? 0xffff_fa00 : 0), ~0xfff | 0x3f)
    case .cfgiCD: (op | stream | (hasSubstreams ? 0xffff_f000 : 0), 1)
    case .cfgiCDAll: (op | stream, 0)
    default: nil
    }
  }

  /// Checks that NUM, SCALE, TG and TTL are not one of the reserved combinations.
  private func checkRange(_ command: Command) throws(Refusal) {
    guard features.ril else { return }
    let num = command.dw0 >> 12 & 31
    let scale = command.dw0 >> 20 & 63
    let ttl = command.dw1 >> 8 & 3
    let granule = command.dw1 >> 10 & 3
    let isReserved =
      granule == 0
      ? num | scale | ttl != 0
      : num | scale | ttl == 0 || granule == 2 && ttl == 1 && !features.ds
    if isReserved { throw refused("NUM, SCALE, TG and TTL do not go together") }
  }

  /// Checks an ATC_INV. It needs an SMMU with ATS, and a SIZE of 52 already means all addresses.
  private func checkSize(_ command: Command) throws(Refusal) {
    guard command.opcode == .atcInv else { return }
    if !features.ats { throw refused("the SMMU has no ATS") }
    if command.dw1 & 0x3f > 52 { throw refused("SIZE must be 52 at most") }
  }
}

extension Command {
  fileprivate mutating func setVMID(_ vmid: UInt16) {
    dw0 = dw0 & ~(0xffff << 32) | UInt64(vmid) << 32
  }

  fileprivate mutating func setStreamID(_ stream: UInt32) {
    dw0 = dw0 & 0xffff_ffff | UInt64(stream) << 32
  }

  /// A CMD_PREFETCH_CONFIG, which has the SMMU fetch a stream's entry before a transaction needs
  /// it.
  static func prefetchConfig(_ stream: UInt32) -> Command {
    Command(dw0: UInt64(Opcode.prefetchConfig.rawValue) | UInt64(stream) << 32, dw1: 0)
  }
}
