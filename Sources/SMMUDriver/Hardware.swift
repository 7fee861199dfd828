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

  init(name: String, features: SMMUv3Features, machine: any Machine) {
    self.name = name
    self.machine = machine
    guard let host = machine as? any MemoryMachine else {
      preconditionFailure("an SMMU needs a machine with memory")
    }
    memory = host.physicalMemory
    sink = Sink()
    smmu = SMMUv3(memory: memory, features: features, sink: sink)
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

  func readRegister(_ offset: UInt64, width: Int) throws(Refusal) -> UInt64 {
    do throws(RegisterError) {
      return try smmu.readRegister(Hardware.offset(offset), width: width)
    } catch {
      throw Hardware.refusal(error)
    }
  }

  /// Checks an access that is to be made at commit, by making it as a read.
  func checkRegister(_ offset: UInt64, width: Int) throws(Refusal) {
    _ = try readRegister(offset, width: width)
  }

  /// Writes a register whose access was checked.
  func writeRegister(_ offset: UInt64, _ value: UInt64, width: Int) {
    try? smmu.writeRegister(Hardware.offset(offset), value, width: width)
  }

  private static func offset(_ offset: UInt64) -> UInt32 {
    UInt32(clamping: offset)
  }

  private static func refusal(_ error: RegisterError) -> Refusal {
    switch error {
    case .width(let offset, let width):
      Refusal(
        .EINVAL, field: "width", "no register of \(width * 8) bits is at \(hex(UInt64(offset)))")
    case .alignment(let offset):
      Refusal(.EINVAL, field: "offset", "\(hex(UInt64(offset))) is not aligned to the width")
    case .outside(let offset):
      Refusal(.EINVAL, field: "offset", "\(hex(UInt64(offset))) is behind the last register")
    }
  }
}

/// A number as the API writes it.
func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
