// SPDX-License-Identifier: Apache-2.0
import Locking

extension Tegra241CMDQV {
  /// What an interface's registers say.
  public struct Interface: Sendable, Equatable {
    /// A SID slot.
    public struct Slot: Sendable, Equatable {
      /// SID_MATCH.EN: whether the slot counts.
      public var isEnabled: Bool
      /// The guest's stream ID, of 20 bits.
      public var guestStream: UInt32
      /// The SMMU's.
      public var stream: UInt32
    }

    /// VINTF_CONFIG.
    public var isEnabled: Bool
    /// VINTF_CONFIG.VMID: whose commands come through the interface.
    public var vmid: UInt16
    /// VINTF_CONFIG.HYP_OWN: whether the hypervisor's own commands come through it.
    public var isHypervisorOwned: Bool
    /// VINTF_STATUS.ENABLE_OK and STATUS, which is 1 while a queue has an error.
    public var isEnableOK: Bool
    /// VINTF_STATUS.STATUS, which is 1 while a queue of the interface has an error.
    public var status: UInt32
    /// The queues that are mapped, by their logical numbers.
    public var queues: [Int]
    /// LVCMDQ_ERR_MAP: 128 bits in two words.
    public var errorMap: [UInt64]
    /// The SID_MATCH and SID_REPLACE pairs, by their numbers.
    public var slots: [Slot]
  }

  /// What a queue's registers say.
  public struct Queue: Sendable, Equatable {
    /// CMDQ_ALLOC.
    public var isAllocated: Bool
    /// The interface that the queue is allocated to.
    public var vintf: Int
    /// Its logical number in that interface.
    public var logical: Int
    /// Whether it is there, in the pages of `vintf`: no queue with a lower logical number is
    /// missing.
    public var isMapped: Bool
    /// PROD_INDX.WR, CONS_INDX.RD and CONS_INDX.ERR.
    public var prod: UInt32
    /// CONS_INDX.RD: the next entry to be carried out, with its wrap bit.
    public var cons: UInt32
    /// CONS_INDX.ERR: why the queue stands still; it counts while GERROR and GERRORN differ.
    public var error: UInt32
    /// CONFIG.EN and STATUS.EN_OK.
    public var isEnabled: Bool
    /// STATUS.EN_OK: whether the queue runs.
    public var isEnableOK: Bool
    /// GERROR: a bit is toggled by each new error.
    public var gerror: UInt32
    /// GERRORN: what software has acknowledged of GERROR.
    public var gerrorn: UInt32
    /// BASE, with LOG2SIZE as it was written, and CONS_INDX_BASE_DRAM.
    public var base: UInt64
    /// CONS_INDX_BASE_DRAM: where the consumer index is written to memory.
    public var consBase: UInt64
    /// The logarithm of the ring's entries, which the SMMU's IDR1.CMDQS bounds.
    public var log2Size: UInt32
    /// Whether the doorbell only tells of work, which somebody else carries out.
    public var isDeferred: Bool
    /// Whether there are commands that can be carried out.
    public var hasWork: Bool
    /// What the queue has done since the hardware was made.
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

  /// How often queues have stopped and what they have carried out, all together.
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
