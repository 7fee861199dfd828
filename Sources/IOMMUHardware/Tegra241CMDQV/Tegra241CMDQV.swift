// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// NVIDIA Tegra241's CMDQV: further command queues beside an SMMUv3's own, which a host gives to
/// guests.
///
/// Queues (VCMDQs) are mapped into interfaces (VINTFs), one for each guest. A guest reaches page 0
/// of its interface, in which its queues have *logical* numbers, and fills rings in its memory
/// with commands that act on the SMMU's caches: only such as can be kept to what is the guest's,
/// under the VMID that the host gave to the interface, and on devices that the host has put into
/// its SID slots.
///
/// Like the SMMU, it does what it is told on the caller's thread: a write that gives a queue work
/// returns when the queue stands still, unless somebody else was chosen to run it
/// (`setDeferred`).
///
/// Locks, in this order: the configuration (configuration page, interfaces, who owns which queue),
/// one queue (its registers, and its commands for at most 256 at a time), then the SMMU's: a
/// port's gate, a shard of the TLB or the state. The SMMU's control lock is never taken, and never
/// held by who comes here. Queues share no lock with each other. Nobody is told anything while a
/// lock is held.
public final class Tegra241CMDQV: Sendable {
  /// What there is of everything.
  public struct Size: Sendable, Equatable {
    /// Interfaces: a power of two, at most 64.
    public var vintfs: Int
    /// Queues: a power of two, at most 128.
    public var vcmdqs: Int
    /// SID slots of an interface: a power of two, at most 16.
    public var sidsPerVINTF: Int

    /// Puts the three sizes together; `isValid` says whether such hardware exists.
    public init(vintfs: Int, vcmdqs: Int, sidsPerVINTF: Int) {
      self.vintfs = vintfs
      self.vcmdqs = vcmdqs
      self.sidsPerVINTF = sidsPerVINTF
    }

    /// The queues of an interface if all have the same number, as drivers share them out.
    public var queuesPerVINTF: Int { isValid ? vcmdqs / vintfs : 0 }

    /// Whether there is hardware of this size.
    public var isValid: Bool {
      Size.isPowerOfTwo(vintfs, upTo: 64) && Size.isPowerOfTwo(vcmdqs, upTo: 128)
        && Size.isPowerOfTwo(sidsPerVINTF, upTo: 16)
    }

    private static func isPowerOfTwo(_ value: Int, upTo limit: Int) -> Bool {
      value > 0 && value <= limit && value & (value - 1) == 0
    }
  }

  /// What implementations, and those that hypervisors show to their guests, do differently.
  public struct Behaviour: Sendable, Equatable {
    /// What becomes of a guest's CMD_SYNC that asks for an interrupt or an event (CS 1 or 2).
    public enum GuestSignals: Sendable {
      /// It is refused (error 1).
      case areIllegal
      /// It is carried out and signals nothing.
      case areIgnored
    }

    /// Whether VINTF_CONFIG.HYP_OWN can be set. In a VM's CMDQV it cannot: it reads back as 0.
    public var allowsHypOwn = true
    /// What becomes of guests' CMD_SYNCs that ask for a signal.
    public var guestSignals = GuestSignals.areIllegal

    /// What the hardware of a Tegra241 does.
    public init() {}
  }

  /// What there is of everything.
  public let size: Size
  /// What this implementation does where implementations differ.
  public let behaviour: Behaviour
  let smmu: SMMUv3
  let sink: (any CMDQVSink)?
  let queues: [VCMDQ]
  let configuration: Locked<CMDQVConfiguration>
  let errors = CMDQVErrors()
  /// For each interface, which queue each logical one is: its number and one, or 0.
  let routes: AtomicTable

  /// The greatest logical number of a queue is one less.
  static let logicalQueueLimit = 128

  /// - Parameters:
  ///   - size: must be valid.
  ///   - sink: is told of interrupts and of work for deferred queues.
  public init(
    smmu: SMMUv3, size: Size, behaviour: Behaviour = Behaviour(), sink: (any CMDQVSink)?
  ) {
    precondition(size.isValid, "no hardware has this size")
    self.smmu = smmu
    self.size = size
    self.behaviour = behaviour
    self.sink = sink
    let features = smmu.features
    let isIgnoringSignals = behaviour.guestSignals == .areIgnored
    queues = (0..<size.vcmdqs).map {
      VCMDQ($0, smmu, features, ignoresGuestSignals: isIgnoringSignals)
    }
    configuration = Locked(CMDQVConfiguration(size, behaviour))
    routes = AtomicTable(count: size.vintfs * Tegra241CMDQV.logicalQueueLimit)
  }

  /// The bytes of the register file, from the configuration page to the last interface's pages.
  public static func byteCount(_ size: Size) -> UInt64 {
    0x3_0000 + 0x2_0000 * UInt64(clamping: size.vintfs)
  }

  // MARK: Routes

  /// The queue that is an interface's logical one.
  func route(_ vintf: Int, _ logical: Int) -> VCMDQ? {
    guard vintf >= 0, vintf < size.vintfs, logical >= 0,
      logical < Tegra241CMDQV.logicalQueueLimit
    else { return nil }
    let number = Int(routes[vintf * Tegra241CMDQV.logicalQueueLimit + logical])
    return number == 0 ? nil : queues[number - 1]
  }

  // MARK: Execution

  /// Chooses who runs a queue: the thread that gives it work, as at first; or, deferred, somebody
  /// else, who calls `run` after the sink's `doorbell`.
  ///
  /// - Parameter global: the queue's number; one that does not exist is ignored.
  public func setDeferred(_ isDeferred: Bool, queue global: Int) {
    guard queues.indices.contains(global) else { return }
    queues[global].lock.withLock { $0.isDeferred = isDeferred }
  }

  /// Carries out commands of a queue.
  ///
  /// - Parameters:
  ///   - global: the queue's number.
  ///   - limit: the most commands, of which 256 are done at a time.
  /// - Returns: whether there is more to do.
  public func run(_ global: Int, limit: Int) -> Bool {
    guard queues.indices.contains(global) else { return false }
    let queue = queues[global]
    if limit <= 0 { return queue.lock.withLock { $0.hasWork } }
    var rest = limit
    var isMore = true
    while rest > 0, isMore {
      let part = min(rest, VCMDQ.batch)
      rest -= part
      let effects = queue.lock.withLock { state in
        queue.change(&state, errors) { state in queue.carryOut(part, &state) }
      }
      tell(effects)
      isMore = effects.hasWork
    }
    return isMore
  }

  /// Does what a change of a queue asks for, after the locks are released.
  func finish(_ effects: VCMDQEffects, _ queue: VCMDQ) {
    tell(effects)
    guard effects.hasWork else { return }
    if effects.isDeferred {
      sink?.doorbell(queue.number)
      return
    }
    // No ring holds more than this; who adds to it meanwhile carries that out.
    _ = run(queue.number, limit: VCMDQ.greatestRun)
  }

  /// Tells of errors and of what the commands have done elsewhere.
  func tell(_ effects: VCMDQEffects) {
    if let vintf = effects.vintf {
      for _ in 0..<effects.errors where errors.raise(vintf) { sink?.interrupt() }
    }
    smmu.core.deliver()
  }
}

/// Who is told, on the thread that caused it and with no lock of the machine held. The CMDQV keeps
/// its sink alive, so a sink that belongs to the CMDQV's owner refers to it weakly.
public protocol CMDQVSink: Sendable {
  /// The interrupt: an edge, one for each occurrence of an error whose interface is not masked.
  func interrupt()
  /// A deferred queue has work.
  func doorbell(_ queue: Int)
}
