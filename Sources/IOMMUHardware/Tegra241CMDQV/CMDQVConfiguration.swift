// SPDX-License-Identifier: Apache-2.0

/// What the host has set up: the configuration page and the interfaces. From it follows which
/// queue is bound to what.
struct CMDQVConfiguration: Sendable {
  /// An interface's registers.
  struct Interface: Sendable, Equatable {
    var config: UInt32 = 0
    var match: [UInt32]
    var replace: [UInt32]

    init(slots: Int) {
      match = Array(repeating: 0, count: slots)
      replace = Array(repeating: 0, count: slots)
    }

    /// ENABLE_OK follows EN at once.
    var isEnabled: Bool { config & 1 != 0 }
    var vmid: UInt16 { UInt16(truncatingIfNeeded: config >> 1) }
    var isHypervisorOwned: Bool { config & 1 << 17 != 0 }
  }

  let size: Tegra241CMDQV.Size
  private let allowsHypOwn: Bool
  private(set) var config: UInt32 = 0
  private(set) var allocations: [UInt32]
  private(set) var interfaces: [Interface]
  /// What every queue was last told; kept by who tells them.
  var bindings: [VCMDQBinding?]

  init(_ size: Tegra241CMDQV.Size, _ behaviour: Tegra241CMDQV.Behaviour) {
    self.size = size
    allowsHypOwn = behaviour.allowsHypOwn
    allocations = Array(repeating: 0, count: size.vcmdqs)
    interfaces = Array(repeating: Interface(slots: size.sidsPerVINTF), count: size.vintfs)
    bindings = Array(repeating: nil, count: size.vcmdqs)
  }

  // MARK: Registers

  var isEnabled: Bool { config & 1 != 0 }
  var writesCONS: Bool { config & 1 << 20 != 0 }

  var parameters: UInt32 {
    UInt32(1) | UInt32(size.vcmdqs.trailingZeroBitCount) << 4
      | UInt32(size.vintfs.trailingZeroBitCount) << 8
      | UInt32(size.sidsPerVINTF.trailingZeroBitCount) << 12
  }

  /// Writes a register: only the bits that are there.
  mutating func write(_ value: UInt32, to register: CMDQVRegister) {
    switch register {
    // EN, PER_CMD_OFFSET, MAX_CLK_BATCH, MAX_CMD_BATCH, CONS_DRAM_EN.
    case .config: config = value & 0x1f_ffff
    // ALLOC, LVCMDQ, VINTF.
    case .allocation(let queue): allocations[queue] = value & 0x1f_80ff
    case .interfaceConfig(let vintf):
      interfaces[vintf].config = value & (allowsHypOwn ? 0x3_ffff : 0x1_ffff)
    case .sidMatch(let vintf, let slot): interfaces[vintf].match[slot] = value & 0x1f_ffff
    case .sidReplace(let vintf, let slot): interfaces[vintf].replace[slot] = value
    default: break
    }
  }

  // MARK: The allocation map

  /// Where CMDQ_ALLOC puts a queue.
  static func target(of allocation: UInt32) -> (vintf: Int, logical: Int) {
    (Int(allocation >> 15 & 0x3f), Int(allocation >> 1 & 0x7f))
  }

  /// The queues of each interface, by their logical numbers.
  ///
  /// Hardware wants them mapped in order: a logical queue without its predecessor is not there. Of
  /// two queues in one place the first counts.
  func mappedQueues() -> [[Int]] {
    let limit = Tegra241CMDQV.logicalQueueLimit
    var places = [Int](repeating: -1, count: size.vintfs * limit)
    for queue in allocations.indices.reversed() where allocations[queue] & 1 != 0 {
      let (vintf, logical) = CMDQVConfiguration.target(of: allocations[queue])
      if vintf < size.vintfs { places[vintf * limit + logical] = queue }
    }
    return (0..<size.vintfs).map { vintf in
      Array(places[vintf * limit..<(vintf + 1) * limit].prefix { $0 >= 0 })
    }
  }

  /// What every queue is to be bound to.
  func wantedBindings() -> [VCMDQBinding?] {
    var bindings = [VCMDQBinding?](repeating: nil, count: size.vcmdqs)
    for (vintf, queues) in mappedQueues().enumerated() {
      let interface = interfaces[vintf]
      for (logical, queue) in queues.enumerated() {
        bindings[queue] = VCMDQBinding(
          vintf: vintf, logical: logical, isEnabled: isEnabled && interface.isEnabled,
          writesCONS: writesCONS, vmid: interface.vmid,
          isHypervisorOwned: interface.isHypervisorOwned, match: interface.match,
          replace: interface.replace)
      }
    }
    return bindings
  }
}
