// SPDX-License-Identifier: Apache-2.0

/// What a queue is mapped to, and what follows from that for its commands. It is a copy of the
/// configuration, so that a queue can work without the configuration's lock.
struct VCMDQBinding: Sendable, Equatable {
  /// The interface.
  var vintf: Int
  /// The queue's logical number there.
  var logical: Int
  /// Whether both the CMDQV and the interface are enabled.
  var isEnabled: Bool
  /// CONFIG.CONS_DRAM_EN: whether the queue writes CONS to memory.
  var writesCONS: Bool
  /// VINTF_CONFIG.VMID: the VMID of a guest's commands.
  var vmid: UInt16
  /// VINTF_CONFIG.HYP_OWN: whether all commands are allowed, as they are.
  var isHypervisorOwned: Bool
  /// SID_MATCH of each SID slot of the interface.
  var match: [UInt32]
  /// SID_REPLACE of each SID slot of the interface.
  var replace: [UInt32]
}

/// What has to be done for a queue after its lock is released.
struct VCMDQEffects {
  /// The interface that the queue is mapped into; nil if it is in none.
  var vintf: Int?
  /// How many errors have occurred; each is an interrupt.
  var errors = 0
  /// Whether there are commands that can be carried out.
  var hasWork = false
  /// Whether another thread runs the queue.
  var isDeferred = false
}

/// A queue's registers.
struct VCMDQState: Sendable {
  /// GERROR.CMDQ_ERR: the queue has stopped at a command.
  static let commandError: UInt32 = 1 << 0
  /// GERROR.CONS_DRAM_WR_ABT: CONS could not be written to memory.
  static let consWriteAbort: UInt32 = 1 << 1
  /// GERROR.CMDQ_INIT_ERR: the queue was enabled without a base address.
  static let initialisationError: UInt32 = 1 << 2
  private static let allErrors: UInt32 = 7

  /// The bits that BASE has: LOG2SIZE 4:0 and ADDR 47:5.
  static let baseMask: UInt64 = 0x0000_ffff_ffff_ffff
  /// The bits that CONS_INDX_BASE_DRAM has: an address of a word of 4 bytes.
  static let consBaseMask: UInt64 = 0x0000_ffff_ffff_fffc
  private static let consMask: UInt32 = QueueRegisters.indexMask | 0x7f00_0000

  /// BASE, PROD_INDX and CONS_INDX.
  var ring: QueueRegisters
  /// CONS_INDX_BASE_DRAM: where CONS is written to in memory.
  var consBase: UInt64 = 0
  /// CONFIG.EN.
  var isEnabled = false
  /// STATUS.EN_OK: whether the queue runs.
  private(set) var isReady = false
  /// GERROR. An error is active while its bit differs from GERRORN's.
  private(set) var gerror: UInt32 = 0
  /// GERRORN: what software has acknowledged.
  private(set) var gerrorn: UInt32 = 0
  /// What the queue is mapped to; nil if it is in no interface.
  var binding: VCMDQBinding?
  /// Whether another thread runs the queue than the one that gives it work
  /// (`Tegra241CMDQV.setDeferred`).
  var isDeferred = false
  /// Carries out the commands, and remembers an ATC_INV that was not answered.
  var unit: CommandUnit
  /// What the queue has done so far.
  var counters = VCMDQCounters()
  /// How many errors have occurred since `VCMDQ.change` last reported them.
  var newErrors = 0
  /// Whether the queue was enabled without a base address when `settle` was last called. The error
  /// is signalled when this begins, and not again while it lasts.
  private var hadInitialisationError = false

  init(_ number: Int, greatestLog2Size: Int) {
    ring = QueueRegisters(greatestLog2Size: greatestLog2Size, entryShift: 4)
    unit = CommandUnit(queue: number)
  }

  // MARK: Errors

  /// Whether an error is active.
  var hasError: Bool { gerror != gerrorn }

  /// Makes an error active by toggling its bit of GERROR. One that is active already stays so, and
  /// is no new error.
  mutating func signal(_ error: UInt32) {
    if (gerror ^ gerrorn) & error != 0 { return }
    gerror ^= error
    newErrors += 1
  }

  /// Whether there are commands that can be carried out: the queue runs, has not stopped at an
  /// error, and is not empty.
  var hasWork: Bool {
    isReady && (gerror ^ gerrorn) & VCMDQState.commandError == 0 && !ring.isEmpty
  }

  // MARK: Registers

  /// The value of a register.
  func value(_ register: VCMDQRegister) -> UInt64 {
    switch register {
    case .cons: UInt64(ring.cons)
    case .prod: UInt64(ring.prod)
    case .config: isEnabled ? 1 : 0
    case .status: isReady ? 1 : 0
    case .gerror: UInt64(gerror)
    case .gerrorn: UInt64(gerrorn)
    case .base: ring.base
    case .consBase: consBase
    }
  }

  /// Writes a register: only the bits that it has, and only while it may be written.
  ///
  /// The base addresses may be written even while the queue is enabled. They are in the host's
  /// pages, so only the host can write them. EN is the guest's: if it protected the base addresses,
  /// a guest could keep a ring that the host takes from it just by leaving its queue enabled.
  mutating func write(_ value: UInt64, to register: VCMDQRegister) {
    let low = UInt32(truncatingIfNeeded: value)
    switch register {
    case .cons where !isEnabled: ring.cons = low & VCMDQState.consMask
    case .prod: ring.prod = low & QueueRegisters.indexMask
    case .config: isEnabled = low & 1 != 0
    case .gerrorn: gerrorn = low & VCMDQState.allErrors
    case .base: ring.base = value & VCMDQState.baseMask
    case .consBase: consBase = value & VCMDQState.consBaseMask
    case .cons, .status, .gerror: break
    }
  }

  /// Updates EN_OK from what it depends on: EN, a base address, and an interface that is enabled.
  /// It is called after each change of one of them.
  mutating func settle(_ core: SMMUCore) {
    let isWanted = isEnabled && binding?.isEnabled == true
    let hasInitialisationError = isWanted && ring.base == 0
    if hasInitialisationError, !hadInitialisationError {
      signal(VCMDQState.initialisationError)
    }
    hadInitialisationError = hasInitialisationError
    isReady = isWanted && ring.base != 0
    // A queue that does not run cannot report that an ATC_INV was not answered, and the next owner
    // of the queue must not be told of it. So it is remembered outside of the queue, where a driver
    // can get rid of it by a CMD_SYNC in the SMMU's own queue.
    if !isReady { unit.abandonATCTimeout(core) }
  }
}

/// What a queue has done since the machine was made.
public struct VCMDQCounters: Sendable, Equatable {
  /// How many commands were carried out.
  public var commands: UInt64 = 0
  /// How often the queue stopped at a command.
  public var errors: UInt64 = 0
}
