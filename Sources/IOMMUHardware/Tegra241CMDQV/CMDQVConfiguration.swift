// SPDX-License-Identifier: Apache-2.0

/// What the host has programmed: the registers of the configuration page and of the interfaces.
/// They decide which queue is bound to which interface.
struct CMDQVConfiguration: Sendable {
  /// The registers of an interface.
  struct Interface: Sendable, Equatable {
    /// VINTF_CONFIG.
    var config: UInt32 = 0
    /// SID_MATCH of each slot: EN 0, the guest's stream ID 20:1.
    var match: [UInt32]
    /// SID_REPLACE of each slot: the stream ID that the SMMU knows.
    var replace: [UInt32]

    /// The registers out of reset.
    init(slots: Int) {
      match = Array(repeating: 0, count: slots)
      replace = Array(repeating: 0, count: slots)
    }

    /// VINTF_CONFIG.EN. VINTF_STATUS.ENABLE_OK follows it at once.
    var isEnabled: Bool { config & 1 != 0 }
    /// VINTF_CONFIG.VMID, bits 16:1.
    var vmid: UInt16 { UInt16(truncatingIfNeeded: config >> 1) }
    /// VINTF_CONFIG.HYP_OWN, bit 17.
    var isHypervisorOwned: Bool { config & 1 << 17 != 0 }
  }

  let size: Tegra241CMDQV.Size
  private let allowsHypOwn: Bool
  /// CONFIG.
  private(set) var config: UInt32 = 0
  /// CMDQ_ALLOC of each queue.
  private(set) var allocations: [UInt32]
  /// The interfaces, by their numbers.
  private(set) var interfaces: [Interface]
  /// The binding that each queue was given last. `rebind` compares it with the one that the queue
  /// should have.
  var bindings: [VCMDQBinding?]

  init(_ size: Tegra241CMDQV.Size, _ behaviour: Tegra241CMDQV.Behaviour) {
    self.size = size
    allowsHypOwn = behaviour.allowsHypOwn
    allocations = Array(repeating: 0, count: size.vcmdqs)
    interfaces = Array(repeating: Interface(slots: size.sidsPerVINTF), count: size.vintfs)
    bindings = Array(repeating: nil, count: size.vcmdqs)
  }

  // MARK: Registers

  /// CONFIG.EN. STATUS.ENABLED follows it at once.
  var isEnabled: Bool { config & 1 != 0 }
  /// CONFIG.CONS_DRAM_EN: whether queues write CONS to memory.
  var writesCONS: Bool { config & 1 << 20 != 0 }

  /// PARAM: VER 3:0, which is 1, and the logarithms of the numbers of queues 7:4, of interfaces
  /// 11:8, and of SID slots 15:12.
  var parameters: UInt32 {
    UInt32(1) | UInt32(size.vcmdqs.trailingZeroBitCount) << 4
      | UInt32(size.vintfs.trailingZeroBitCount) << 8
      | UInt32(size.sidsPerVINTF.trailingZeroBitCount) << 12
  }

  /// Writes a register, of which only the bits that exist are kept.
  mutating func write(_ value: UInt32, to register: CMDQVRegister) {
    switch register {
    // The fields are EN, PER_CMD_OFFSET, MAX_CLK_BATCH, MAX_CMD_BATCH and CONS_DRAM_EN.
    case .config: config = value & 0x1f_ffff
    // The fields are ALLOC, LVCMDQ and VINTF.
    case .allocation(let queue): allocations[queue] = value & 0x1f_80ff
    case .interfaceConfig(let vintf):
      interfaces[vintf].config = value & (allowsHypOwn ? 0x3_ffff : 0x1_ffff)
    case .sidMatch(let vintf, let slot): interfaces[vintf].match[slot] = value & 0x1f_ffff
    case .sidReplace(let vintf, let slot): interfaces[vintf].replace[slot] = value
    default: break
    }
  }

  // MARK: The allocation map

  /// The interface and the logical number that a value of CMDQ_ALLOC names.
  static func target(of allocation: UInt32) -> (vintf: Int, logical: Int) {
    (Int(allocation >> 15 & 0x3f), Int(allocation >> 1 & 0x7f))
  }

  /// The queues of each interface, by their logical numbers.
  ///
  /// The hardware expects a logical queue to have its predecessor mapped, so drivers map them in
  /// ascending order. A queue behind a gap therefore counts as not mapped. If two queues claim the
  /// same logical number, the one with the lower global number gets it.
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

  /// The binding that each queue should have by the registers as they are now.
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
