// SPDX-License-Identifier: Apache-2.0

/// What a queue is mapped to, and what it therefore may do.
struct VCMDQBinding: Sendable, Equatable {
  var vintf: Int
  var logical: Int
  /// Both the CMDQV and the interface are.
  var isEnabled: Bool
  /// CONFIG.CONS_DRAM_EN.
  var writesCONS: Bool
  var vmid: UInt16
  var isHypervisorOwned: Bool
  /// SID_MATCH and SID_REPLACE of each slot.
  var match: [UInt32]
  var replace: [UInt32]
}

/// What has to be done after a queue's lock is released.
struct VCMDQEffects {
  /// The interface of the queue.
  var vintf: Int?
  /// Errors that occurred.
  var errors = 0
  /// There are commands that can be carried out.
  var hasWork = false
  var isDeferred = false
}

/// A queue's registers.
struct VCMDQState: Sendable {
  /// Bits of GERROR.
  static let commandError: UInt32 = 1 << 0
  static let consWriteAbort: UInt32 = 1 << 1
  static let initialisationError: UInt32 = 1 << 2
  private static let allErrors: UInt32 = 7

  /// BASE: LOG2SIZE 4:0 and ADDR 47:5.
  static let baseMask: UInt64 = 0x0000_ffff_ffff_ffff
  static let consBaseMask: UInt64 = 0x0000_ffff_ffff_fffc
  private static let consMask: UInt32 = QueueRegisters.indexMask | 0x7f00_0000

  /// BASE, PROD and CONS.
  var ring: QueueRegisters
  var consBase: UInt64 = 0
  var isEnabled = false
  /// EN_OK.
  private(set) var isReady = false
  private(set) var gerror: UInt32 = 0
  private(set) var gerrorn: UInt32 = 0
  var binding: VCMDQBinding?
  var isDeferred = false
  var unit: CommandUnit
  var counters = VCMDQCounters()
  /// Errors that occurred since somebody looked.
  var newErrors = 0
  private var hadInitialisationError = false

  init(_ number: Int, greatestLog2Size: Int) {
    ring = QueueRegisters(greatestLog2Size: greatestLog2Size, entryShift: 4)
    unit = CommandUnit(queue: number)
  }

  // MARK: Errors

  var hasError: Bool { gerror != gerrorn }

  /// Makes an error active, unless it is.
  mutating func signal(_ error: UInt32) {
    if (gerror ^ gerrorn) & error != 0 { return }
    gerror ^= error
    newErrors += 1
  }

  /// Whether there are commands that can be carried out.
  var hasWork: Bool {
    isReady && (gerror ^ gerrorn) & VCMDQState.commandError == 0 && !ring.isEmpty
  }

  // MARK: Registers

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

  /// Writes a register: only the bits that are there, and only while it may be written.
  ///
  /// The base addresses are taken at any time. They are the host's, and a guest that keeps its
  /// queue enabled must not keep a ring that is taken from it.
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

  /// Has EN_OK follow what it depends on: EN, a base address, and an interface that is enabled.
  mutating func settle(_ core: SMMUCore) {
    let isWanted = isEnabled && binding?.isEnabled == true
    let hasInitialisationError = isWanted && ring.base == 0
    if hasInitialisationError, !hadInitialisationError {
      signal(VCMDQState.initialisationError)
    }
    hadInitialisationError = hasInitialisationError
    isReady = isWanted && ring.base != 0
    // A queue that is off reports no timeout, and whoever has it next must not either.
    if !isReady { unit.abandonATCTimeout(core) }
  }
}

/// What a queue has done since the machine was made.
public struct VCMDQCounters: Sendable, Equatable {
  /// Commands that were carried out.
  public var commands: UInt64 = 0
  /// Times that the queue stopped at a command.
  public var errors: UInt64 = 0
}
