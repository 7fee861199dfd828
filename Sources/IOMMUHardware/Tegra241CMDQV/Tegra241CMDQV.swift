// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// The CMDQV of NVIDIA's Tegra241: further command queues beside an SMMUv3's own, which a host
/// gives to guests. Its registers are those that Linux's `tegra241-cmdqv.c` uses.
///
/// Queues (VCMDQs) are mapped into interfaces (VINTFs), of which each guest has one. A guest
/// reaches page 0 of its interface, where its queues have *logical* numbers. It writes commands for
/// the SMMU's caches into rings in its own memory. Only commands whose effect can be confined to
/// the guest are accepted: they act under the VMID that the host has given to the interface, and on
/// devices that the host has entered in the interface's SID slots.
///
/// Like the SMMU, it works on the thread of its caller. A write that gives a queue work returns
/// when the queue has nothing more to do or has stopped, unless the queue is deferred
/// (`setDeferred`): then another thread runs it.
///
/// Locks are taken in this order. The first is that of the configuration, which is the
/// configuration page, the interfaces, and which interface has which queue. Then comes that of one
/// queue, which covers its registers, and the execution of at most 256 of its commands at a time.
/// The last are the SMMU's, which are a port's gate and a shard of the TLB or the state. The SMMU's
/// control lock is never taken here, and nobody who holds it comes here. Queues share no lock with
/// each other. No notification is sent while a lock is held.
public final class Tegra241CMDQV: Sendable {
  /// How many interfaces, queues and SID slots the hardware has (the register PARAM).
  public struct Size: Sendable, Equatable {
    /// The number of interfaces: a power of two, at most 64.
    public var vintfs: Int
    /// The number of queues: a power of two, at most 128.
    public var vcmdqs: Int
    /// The number of SID slots that each interface has: a power of two, at most 16.
    public var sidsPerVINTF: Int

    /// A size by its three numbers. They are not checked here; `isValid` says whether hardware of
    /// this size exists.
    public init(vintfs: Int, vcmdqs: Int, sidsPerVINTF: Int) {
      self.vintfs = vintfs
      self.vcmdqs = vcmdqs
      self.sidsPerVINTF = sidsPerVINTF
    }

    /// How many queues each interface gets when they are shared out evenly, as Linux does; 0 if the
    /// size is not valid. With fewer queues than interfaces it is 0 too.
    public var queuesPerVINTF: Int { isValid ? vcmdqs / vintfs : 0 }

    /// Whether each number is a power of two within its limit.
    public var isValid: Bool {
      Size.isPowerOfTwo(vintfs, upTo: 64) && Size.isPowerOfTwo(vcmdqs, upTo: 128)
        && Size.isPowerOfTwo(sidsPerVINTF, upTo: 16)
    }

    private static func isPowerOfTwo(_ value: Int, upTo limit: Int) -> Bool {
      value > 0 && value <= limit && value & (value - 1) == 0
    }
  }

  /// What differs between implementations of the CMDQV, among them the one that a hypervisor shows
  /// to its guest.
  public struct Behaviour: Sendable, Equatable {
    /// What is done with a guest's CMD_SYNC that asks for an interrupt or an event (CS 1 or 2).
    /// Nothing public says what the hardware does.
    public enum GuestSignals: Sendable {
      /// The command is refused with error 1.
      case areIllegal
      /// The command is carried out as one with CS 0: it signals nothing.
      case areIgnored
    }

    /// Whether VINTF_CONFIG.HYP_OWN can be set. In the CMDQV that a VM sees it cannot: the bit
    /// reads back as 0, and by that the guest's driver knows that only some commands are allowed.
    public var allowsHypOwn = true
    /// What is done with a guest's CMD_SYNC that asks for a signal.
    public var guestSignals = GuestSignals.areIllegal

    /// The behaviour of a Tegra241's own hardware.
    public init() {}
  }

  /// How many interfaces, queues and SID slots there are.
  public let size: Size
  /// What this CMDQV does where implementations differ.
  public let behaviour: Behaviour
  /// The SMMU that the commands act on.
  let smmu: SMMUv3
  /// The receiver of interrupts and doorbells.
  let sink: (any CMDQVSink)?
  /// The queues, by their global numbers.
  let queues: [VCMDQ]
  /// What the host has set up, behind its lock.
  let configuration: Locked<CMDQVConfiguration>
  /// Which queues have an error, and which interrupts are masked.
  let errors = CMDQVErrors()
  /// For each interface and logical number, the global number of the queue there plus one, or 0 for
  /// none. A guest's doorbell finds its queue here without taking the configuration's lock.
  let routes: AtomicTable

  /// How many logical numbers an interface has: 0 to 127.
  static let logicalQueueLimit = 128

  /// A CMDQV in which nothing is enabled or mapped.
  ///
  /// - Parameters:
  ///   - smmu: the SMMU that the commands act on.
  ///   - size: it must be valid.
  ///   - behaviour: what is done where implementations differ.
  ///   - sink: the receiver of interrupts and of doorbells of deferred queues.
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

  /// The bytes of the register file, from the configuration page to the last interface's pages. All
  /// pages have 64 KiB, and each interface has two.
  public static func byteCount(_ size: Size) -> UInt64 {
    0x3_0000 + 0x2_0000 * UInt64(clamping: size.vintfs)
  }

  // MARK: Routes

  /// The queue that an interface has under a logical number; nil if none is mapped there.
  func route(_ vintf: Int, _ logical: Int) -> VCMDQ? {
    guard vintf >= 0, vintf < size.vintfs, logical >= 0,
      logical < Tegra241CMDQV.logicalQueueLimit
    else { return nil }
    let number = Int(routes[vintf * Tegra241CMDQV.logicalQueueLimit + logical])
    return number == 0 ? nil : queues[number - 1]
  }

  // MARK: Execution

  /// Chooses who runs a queue. At first it is the thread that gives the queue work. A deferred
  /// queue is left to another thread, which calls `run` after the sink's `doorbell`.
  ///
  /// - Parameters:
  ///   - isDeferred: whether the queue is left to another thread.
  ///   - global: the queue's number. A number that does not exist is ignored.
  public func setDeferred(_ isDeferred: Bool, queue global: Int) {
    guard queues.indices.contains(global) else { return }
    queues[global].lock.withLock { $0.isDeferred = isDeferred }
  }

  /// Carries out commands of a queue, at most 256 while its lock is held once.
  ///
  /// - Parameters:
  ///   - global: the queue's number. A queue that does not exist has nothing to do.
  ///   - limit: the most commands to carry out.
  /// - Returns: whether the queue has more to do.
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

  /// Does what is left to do after a queue has changed: raises its interrupts, and runs it or rings
  /// its doorbell. It is called after the locks are released.
  func finish(_ effects: VCMDQEffects, _ queue: VCMDQ) {
    tell(effects)
    guard effects.hasWork else { return }
    if effects.isDeferred {
      sink?.doorbell(queue.number)
      return
    }
    // No ring holds more commands than this limit. If another thread adds some meanwhile, it also
    // runs the queue for them.
    _ = run(queue.number, limit: VCMDQ.greatestRun)
  }

  /// Raises the interrupts of a queue's errors, and delivers the notifications that its commands
  /// have left with the SMMU.
  func tell(_ effects: VCMDQEffects) {
    if let vintf = effects.vintf {
      for _ in 0..<effects.errors where errors.raise(vintf) { sink?.interrupt() }
    }
    smmu.core.deliver()
  }
}

/// The receiver of a CMDQV's interrupts and doorbells. It is called on the thread that caused them,
/// while no lock of the machine is held. The CMDQV keeps its sink alive, so a sink that belongs to
/// the CMDQV's owner must refer to the owner weakly.
public protocol CMDQVSink: Sendable {
  /// The CMDQV's interrupt, an edge. It comes once for each error on a queue of an interface that
  /// is not masked.
  func interrupt()
  /// A deferred queue has commands that can be carried out.
  ///
  /// - Parameter queue: its global number, which is what `Tegra241CMDQV.run` takes.
  func doorbell(_ queue: Int)
}
