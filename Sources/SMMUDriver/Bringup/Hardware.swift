// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// An emulated SMMU, its CMDQV if it has one, and the memory in which its tables and queues are.
/// Both the driver and a bare SMMU work with it.
final class Hardware: Sendable {
  let name: String
  let machine: any Machine
  let memory: PhysicalMemory
  let smmu: SMMUv3
  /// Gets the SMMU's notifications and passes them on. Its receiver is set when the hardware is
  /// brought up.
  let sink: Sink
  let cmdqv: Tegra241CMDQV?
  let cmdqvSink = CMDQVDoorbells()

  /// The offset of the CMDQV's registers, which follow the SMMU's own.
  static let cmdqvOffset: UInt64 = 0x20_0000

  init(
    name: String, features: SMMUv3Features, cmdqv: SMMUSettings.CMDQV?, machine: any Machine
  ) {
    self.name = name
    self.machine = machine
    guard let host = machine as? any MemoryMachine else {
      preconditionFailure("an SMMU needs a machine with memory")
    }
    memory = host.physicalMemory
    sink = Sink()
    smmu = SMMUv3(memory: memory, features: features, sink: sink)
    self.cmdqv = cmdqv.map { [smmu, cmdqvSink] settings in
      let size = Tegra241CMDQV.Size(
        vintfs: settings.vintfs, vcmdqs: settings.vcmdqs, sidsPerVINTF: settings.sidsPerVINTF)
      return Tegra241CMDQV(smmu: smmu, size: size, sink: cmdqvSink)
    }
  }

  func log(_ kind: HardwareTrace.Kind) {
    machine.logHardware(HardwareTrace(smmu: name, kind))
  }

  // MARK: Memory

  /// The number of bits of an address that the hardware sends to memory. Entries of the driver's
  /// tables have no more than 48.
  var outputBits: Int { min(smmu.features.oas, 48) }

  /// Takes memory for tables at an address that the hardware can reach; nil when none is left.
  func allocateTables(_ length: UInt64, alignment: UInt64) -> UInt64? {
    machine.allocateTables(length, alignment: alignment, below: 1 << UInt64(outputBits))
  }

  /// Writes words of a table. The address must be of memory that the driver has allocated, where no
  /// write fails.
  func write(_ words: [UInt64], at address: UInt64) {
    for (index, word) in words.enumerated() {
      try? memory.write64(word, at: address &+ UInt64(index) &* 8)
    }
  }

  func write(_ word: UInt64, at address: UInt64) { try? memory.write64(word, at: address) }

  /// Zeroes bytes of a table that the driver has allocated.
  func clear(_ count: UInt64, at address: UInt64) {
    try? memory.write(Array(repeating: 0, count: Int(count)), at: address)
  }

  func read(_ count: Int, at address: UInt64) -> [UInt64] {
    (0..<count).map { (try? memory.read64(address &+ UInt64($0) &* 8)) ?? 0 }
  }

  // MARK: Registers

  /// Reads a register by its name, with its own width.
  func read(_ register: SMMURegister) -> UInt64 {
    (try? smmu.readRegister(register.rawValue, width: register.width)) ?? 0
  }

  func write(_ register: SMMURegister, _ value: UInt64) {
    try? smmu.writeRegister(register.rawValue, value, width: register.width)
  }

  /// Reads a register of the SMMU, or of the CMDQV behind it.
  func readRegister(_ offset: UInt64, width: Int) throws(Refusal) -> UInt64 {
    if let cmdqv, let inner = innerOffset(offset) {
      do throws(RegisterError) {
        return try cmdqv.readRegister(inner, width: width)
      } catch {
        throw Hardware.refusal(error, at: Hardware.cmdqvOffset)
      }
    }
    do throws(RegisterError) {
      return try smmu.readRegister(Hardware.clamped(offset), width: width)
    } catch {
      throw Hardware.refusal(error, at: 0)
    }
  }

  /// The offset as the hardware takes it, in 32 bits. An offset that has more bits becomes one that
  /// is still behind the last register and aligned as before, so that it is refused for the right
  /// reason.
  static func clamped(_ offset: UInt64) -> UInt32 {
    offset > 0xffff_fff0 ? 0xffff_fff0 | UInt32(offset & 7) : UInt32(offset)
  }

  /// The offset from the beginning of the CMDQV's registers; nil for a register of the SMMU.
  private func innerOffset(_ offset: UInt64) -> UInt32? {
    offset < Hardware.cmdqvOffset ? nil : Hardware.clamped(offset - Hardware.cmdqvOffset)
  }

  /// Checks a write that will be made at commit, by a read at the same place. A read has no effect,
  /// and is refused for the same reasons.
  func checkRegister(_ offset: UInt64, width: Int) throws(Refusal) {
    _ = try readRegister(offset, width: width)
  }

  /// Writes a register, after `checkRegister` has found nothing wrong with the access.
  func writeRegister(_ offset: UInt64, _ value: UInt64, width: Int) {
    if let cmdqv, let inner = innerOffset(offset) {
      try? cmdqv.writeRegister(inner, value, width: width)
    } else {
      try? smmu.writeRegister(Hardware.clamped(offset), value, width: width)
    }
  }

  /// The refusal that an access to registers gets.
  ///
  /// - Parameter base: the offset that the error's own offset is counted from.
  static func refusal(_ error: RegisterError, at base: UInt64) -> Refusal {
    switch error {
    case .width(let offset, let width):
      Refusal(
        .EINVAL, field: "width",
        "no register of \(width * 8) bits is at \(hex(UInt64(offset) + base))")
    case .alignment(let offset):
      Refusal(.EINVAL, field: "offset", "\(hex(UInt64(offset) + base)) is not aligned to the width")
    case .outside(let offset):
      Refusal(.EINVAL, field: "offset", "\(hex(UInt64(offset) + base)) is behind the last register")
    }
  }
}

/// A number in hexadecimal, as the API writes it.
func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
