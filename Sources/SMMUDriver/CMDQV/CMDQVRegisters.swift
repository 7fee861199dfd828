// SPDX-License-Identifier: Apache-2.0

/// The offsets of the registers of Tegra241's CMDQV that the driver uses, in bytes from the
/// beginning of the configuration page (`drivers/iommu/arm/arm-smmu-v3/tegra241-cmdqv.c`).
enum CMDQVRegisters {
  static let config: UInt32 = 0x000
  static let status: UInt32 = 0x008
  static let interfaceErrorMap: UInt32 = 0x014

  static func allocation(_ queue: Int) -> UInt32 { 0x200 + 4 * UInt32(queue) }

  static func interface(_ number: Int) -> Interface {
    Interface(base: 0x1000 + 0x100 * UInt32(number))
  }

  static func queue(_ interface: Int, _ logical: Int) -> Queue {
    Queue(page0: 0x3_0000 + 0x2_0000 * UInt32(interface) + 0x80 * UInt32(logical))
  }

  /// The registers of a virtual interface.
  struct Interface {
    let base: UInt32
    var config: UInt32 { base }
    var status: UInt32 { base + 0x04 }
    func sidMatch(_ slot: Int) -> UInt32 { base + 0x40 + 4 * UInt32(slot) }
    func sidReplace(_ slot: Int) -> UInt32 { base + 0x80 + 4 * UInt32(slot) }
    /// LVCMDQ_ERR_MAP, read as two words of 64 bits; `word` is 0 or 1.
    func errorMap(_ word: Int) -> UInt32 { base + 0xc0 + 8 * UInt32(word) }
  }

  /// The registers of a logical queue, which are in the two pages of its interface.
  struct Queue {
    let page0: UInt32
    var cons: UInt32 { page0 }
    var prod: UInt32 { page0 + 0x04 }
    var config: UInt32 { page0 + 0x08 }
    var status: UInt32 { page0 + 0x0c }
    var gerror: UInt32 { page0 + 0x10 }
    var gerrorn: UInt32 { page0 + 0x14 }
    var base: UInt32 { page0 + 0x1_0000 }
    var consBase: UInt32 { page0 + 0x1_0008 }
  }
}
