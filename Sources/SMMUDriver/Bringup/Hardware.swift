// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// An emulated SMMU and the memory in which its tables and queues are, as a driver or a bare
/// machine has them.
final class Hardware: Sendable {
  let name: String
  let machine: any Machine
  let memory: PhysicalMemory
  let smmu: SMMUv3
  /// What the hardware tells of itself goes here; set once, before the hardware is used.
  let sink: Sink
  let cmdqv: Tegra241CMDQV?
  let cmdqvSink = CMDQVDoorbells()

  /// Where the CMDQV's registers begin, behind the SMMU's own.
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

  /// The width of addresses that the hardware sends to memory; its tables' entries have no more
  /// than 48 bits.
  var outputBits: Int { min(smmu.features.oas, 48) }

  /// Takes memory for tables where the hardware reaches them; nil when none is left.
  func allocateTables(_ length: UInt64, alignment: UInt64) -> UInt64? {
    machine.allocateTables(length, alignment: alignment, below: 1 << UInt64(outputBits))
  }

  /// Writes words of a table; what the driver allocated exists, so that nothing can go wrong.
  func write(_ words: [UInt64], at address: UInt64) {
    for (index, word) in words.enumerated() {
      try? memory.write64(word, at: address &+ UInt64(index) &* 8)
    }
  }

  func write(_ word: UInt64, at address: UInt64) { try? memory.write64(word, at: address) }

  /// Zeroes bytes of a table.
  func clear(_ count: UInt64, at address: UInt64) {
    try? memory.write(Array(repeating: 0, count: Int(count)), at: address)
  }

  func read(_ count: Int, at address: UInt64) -> [UInt64] {
    (0..<count).map { (try? memory.read64(address &+ UInt64($0) &* 8)) ?? 0 }
  }

  // MARK: Registers

  /// Reads a register that exists.
  func read(_ register: SMMURegister) -> UInt64 {
    (try? smmu.readRegister(register.rawValue, width: register.width)) ?? 0
  }

  func write(_ register: SMMURegister, _ value: UInt64) {
    try? smmu.writeRegister(register.rawValue, value, width: register.width)
  }

  /// Reads a register of the SMMU or of the CMDQV behind it.
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

  /// The machine's offsets have 32 bits. What is far behind the end stays there, and aligned.
  static func clamped(_ offset: UInt64) -> UInt32 {
    offset > 0xffff_fff0 ? 0xffff_fff0 | UInt32(offset & 7) : UInt32(offset)
  }

  /// The offset within the CMDQV; nil in front of it.
  private func innerOffset(_ offset: UInt64) -> UInt32? {
    offset < Hardware.cmdqvOffset ? nil : Hardware.clamped(offset - Hardware.cmdqvOffset)
  }

  /// Checks an access that is to be made at commit, by making it as a read.
  func checkRegister(_ offset: UInt64, width: Int) throws(Refusal) {
    _ = try readRegister(offset, width: width)
  }

  /// Writes a register whose access was checked.
  func writeRegister(_ offset: UInt64, _ value: UInt64, width: Int) {
    if let cmdqv, let inner = innerOffset(offset) {
      try? cmdqv.writeRegister(inner, value, width: width)
    } else {
      try? smmu.writeRegister(Hardware.clamped(offset), value, width: width)
    }
  }

  /// - Parameter base: what the error's offset is counted from.
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

/// A number as the API writes it.
func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
