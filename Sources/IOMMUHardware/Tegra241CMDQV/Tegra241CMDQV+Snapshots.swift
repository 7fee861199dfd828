// SPDX-License-Identifier: Apache-2.0
import Locking

extension Tegra241CMDQV {
  /// What the registers of an interface (VINTF) say.
  public struct Interface: Sendable, Equatable {
    /// An SID slot: a pair of SID_MATCH and SID_REPLACE.
    public struct Slot: Sendable, Equatable {
      /// SID_MATCH.EN: whether the slot is used.
      public var isEnabled: Bool
      /// SID_MATCH: the guest's stream ID, of 20 bits.
      public var guestStream: UInt32
      /// SID_REPLACE: the stream ID that the SMMU knows.
      public var stream: UInt32
    }

    /// VINTF_CONFIG.EN.
    public var isEnabled: Bool
    /// VINTF_CONFIG.VMID: the VMID that takes the place of that in a guest's commands.
    public var vmid: UInt16
    /// VINTF_CONFIG.HYP_OWN: whether the interface is the hypervisor's own, in which all commands
    /// are allowed.
    public var isHypervisorOwned: Bool
    /// VINTF_STATUS.ENABLE_OK, which follows `isEnabled` at once.
    public var isEnableOK: Bool
    /// VINTF_STATUS.STATUS: 1 while one of the interface's queues has an error, else 0.
    public var status: UInt32
    /// The global numbers of the queues that are mapped, by their logical numbers.
    public var queues: [Int]
    /// LVCMDQ_ERR_MAP: one bit for each logical queue, 128 bits in two words.
    public var errorMap: [UInt64]
    /// The SID slots, by their numbers.
    public var slots: [Slot]
  }

  /// What the registers of a queue (VCMDQ) say.
  public struct Queue: Sendable, Equatable {
    /// CMDQ_ALLOC.ALLOC: whether the queue is allocated to an interface.
    public var isAllocated: Bool
    /// CMDQ_ALLOC.VINTF: the interface that the queue is allocated to.
    public var vintf: Int
    /// CMDQ_ALLOC.LVCMDQ: the queue's logical number in that interface.
    public var logical: Int
    /// Whether the queue can be reached in the pages of `vintf`. It cannot if the interface lacks a
    /// queue with a lower logical number, or has another one in this place.
    public var isMapped: Bool
    /// PROD_INDX.WR: the index behind the last entry that was handed to the queue, with its wrap
    /// bit.
    public var prod: UInt32
    /// CONS_INDX.RD: the index of the next entry to be carried out, with its wrap bit.
    public var cons: UInt32
    /// CONS_INDX.ERR: why the queue has stopped (`QueueError`). It counts only while GERROR and
    /// GERRORN differ, and otherwise is left over from an earlier error.
    public var error: UInt32
    /// CONFIG.EN: whether software has enabled the queue.
    public var isEnabled: Bool
    /// STATUS.EN_OK: whether the queue runs, for which it also needs a base address and an
    /// interface that is enabled.
    public var isEnableOK: Bool
    /// GERROR: a new error toggles its bit.
    public var gerror: UInt32
    /// GERRORN: an error is acknowledged when its bit here is the same as in GERROR.
    public var gerrorn: UInt32
    /// BASE, as it was written: LOG2SIZE 4:0 and ADDR 47:5.
    public var base: UInt64
    /// CONS_INDX_BASE_DRAM: the address at which CONS_INDX is written to memory; 0 for none.
    public var consBase: UInt64
    /// The logarithm of the ring's entries: LOG2SIZE, limited to the SMMU's IDR1.CMDQS.
    public var log2Size: UInt32
    /// Whether the queue is deferred. Its doorbell then only tells the sink that there is work, and
    /// another thread carries it out.
    public var isDeferred: Bool
    /// Whether there are commands that can be carried out now.
    public var hasWork: Bool
    /// What the queue has done since the machine was made.
    public var counters: VCMDQCounters
  }

  /// A snapshot of an interface.
  ///
  /// - Parameter vintf: its number; it must exist.
  public func interface(_ vintf: Int) -> Interface {
    configuration.withLock { configuration in
      let registers = configuration.interfaces[vintf]
      let mapped = configuration.mappedQueues()[vintf]
      return Interface(
        isEnabled: registers.isEnabled, vmid: registers.vmid,
        isHypervisorOwned: registers.isHypervisorOwned, isEnableOK: registers.isEnabled,
        status: status(vintf, configuration) >> 1 & 7, queues: mapped,
        errorMap: errorMap(mapped),
        slots: zip(registers.match, registers.replace).map { match, replace in
          Interface.Slot(
            isEnabled: match & 1 != 0, guestStream: match >> 1 & 0xf_ffff, stream: replace)
        })
    }
  }

  /// A snapshot of a queue.
  ///
  /// - Parameter global: its number; it must exist.
  public func queue(_ global: Int) -> Queue {
    let allocation = configuration.withLock { $0.allocations[global] }
    let target = CMDQVConfiguration.target(of: allocation)
    return queues[global].lock.withLock { state in
      Queue(
        isAllocated: allocation & 1 != 0, vintf: target.vintf, logical: target.logical,
        isMapped: state.binding != nil, prod: state.ring.prod,
        cons: state.ring.cons & QueueRegisters.indexMask, error: state.ring.cons >> 24 & 0x7f,
        isEnabled: state.isEnabled, isEnableOK: state.isReady, gerror: state.gerror,
        gerrorn: state.gerrorn, base: state.ring.base, consBase: state.consBase,
        log2Size: state.ring.log2Size, isDeferred: state.isDeferred, hasWork: state.hasWork,
        counters: state.counters)
    }
  }

  /// The sums of all queues' counters.
  public var counters: VCMDQCounters {
    var sum = VCMDQCounters()
    for queue in queues {
      let counters = queue.lock.withLock { $0.counters }
      sum.commands &+= counters.commands
      sum.errors &+= counters.errors
    }
    return sum
  }
}
