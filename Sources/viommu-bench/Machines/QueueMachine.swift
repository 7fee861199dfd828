// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware

/// An SMMU with a CMDQV and two guests, each with one queue and with all its SID slots in use.
final class QueueMachine: Sendable {
  static let slots = 16
  /// The base-2 logarithm of the number of entries in a ring.
  private static let log2Size: UInt64 = 12
  static let entries = 1 << Int(log2Size)
  private static let base = PhysicalMemoryMap.base

  private let memory: PhysicalMemory
  private let smmu: SMMUv3
  private let cmdqv: Tegra241CMDQV

  init() throws {
    memory = PhysicalMemory(size: 1 << 32)
    smmu = SMMUv3(memory: memory)
    cmdqv = Tegra241CMDQV(
      smmu: smmu, size: .init(vintfs: 4, vcmdqs: 8, sidsPerVINTF: Self.slots), sink: nil)
    try smmu.writeRegister(SMMURegister.strtabBase.rawValue, Self.base + 0x100_0000, width: 8)
    try smmu.writeRegister(SMMURegister.cr0.rawValue, 1)
    try cmdqv.writeRegister(0, 1, width: 4)
    for guest in 0..<2 { try bringUp(guest) }
  }

  private static func ring(_ guest: Int) -> UInt64 { base + UInt64(guest) << 20 }

  private func bringUp(_ guest: Int) throws {
    let vintf = UInt32(guest) + 1
    let interface = 0x1000 + 0x100 * vintf
    let vmid = UInt64(vintf) + 8
    try cmdqv.writeRegister(interface, vmid << 1, width: 4)
    try cmdqv.writeRegister(interface, vmid << 1 | 1, width: 4)
    for slot in 0..<UInt32(Self.slots) {
      let stream = vintf << 8 | slot
      smmu.port(stream).setATS(enabled: true)
      try cmdqv.writeRegister(interface + 0x80 + 4 * slot, UInt64(stream), width: 4)
    }
    try use(slots: Self.slots, guest)
    try cmdqv.writeRegister(0x200 + 8 * vintf, UInt64(vintf) << 15 | 1, width: 4)
    let page0 = 0x3_0000 + 0x2_0000 * vintf
    try cmdqv.writeRegister(page0 + 0x1_0000, Self.ring(guest) | Self.log2Size, width: 8)
    try cmdqv.writeRegister(page0 + 8, 1, width: 4)
  }

  /// Makes only the first `slots` of a guest's SID slots valid.
  func use(slots: Int, _ guest: Int) throws {
    let interface = 0x1000 + 0x100 * (UInt32(guest) + 1)
    for slot in 0..<UInt32(Self.slots) {
      let match = slot < slots ? UInt64(slot + 0x40) << 1 | 1 : 0
      try cmdqv.writeRegister(interface + 0x40 + 4 * slot, match, width: 4)
    }
  }

  /// Fills the ring of a guest with commands, in which every 64th is a CMD_SYNC.
  ///
  /// - Parameter command: makes the command for an entry of the ring, from the entry's index.
  func fill(_ guest: Int, _ command: (Int) -> Command) throws {
    for index in 0..<Self.entries {
      let entry = index % 64 == 63 ? Command.sync : command(index)
      let address = Self.ring(guest) + UInt64(index) * Command.byteCount
      try memory.write64(entry.dw0, at: address)
      try memory.write64(entry.dw1, at: address + 8)
    }
  }

  /// Executes the commands in a guest's ring again and again.
  ///
  /// - Returns: the time for one command, in nanoseconds.
  func run(_ guest: Int, _ rings: Int) -> Double {
    let vintf = guest + 1
    let start = Clock.now()
    for _ in 0..<rings {
      let prod = (try? cmdqv.readWindow(vintf, 4, width: 4)) ?? 0
      // The same index with the other wrap bit means that the ring is full.
      try? cmdqv.writeWindow(vintf, 4, prod ^ UInt64(Self.entries), width: 4)
    }
    let time = Double(Clock.now() - start)
    let cons = (try? cmdqv.readWindow(vintf, 0, width: 4)) ?? .max
    precondition(cons == (try? cmdqv.readWindow(vintf, 4, width: 4)), "a queue stands still")
    return time / Double(rings * Self.entries)
  }

  /// Copies the bytes of a ring again and again, as a measure of what reading them costs.
  ///
  /// - Returns: the time for the bytes of one command, in nanoseconds.
  func copies(_ rings: Int) throws -> Double {
    let bytes = try memory.read(Self.ring(0), count: Self.entries * Int(Command.byteCount))
    let start = Clock.now()
    for _ in 0..<rings { try memory.write(bytes, at: Self.base + 0x200_0000) }
    return Double(Clock.now() - start) / Double(rings * Self.entries)
  }

  /// Executes the rings of several guests, each on a thread of its own.
  ///
  /// - Parameter rings: how often each ring is executed.
  /// - Returns: the time until all are done, in nanoseconds.
  func parallel(_ guests: Int, _ rings: Int) -> Double {
    let start = Clock.now()
    Threads.run(guests) { guest in _ = self.run(guest, rings) }
    return Double(Clock.now() - start)
  }
}
