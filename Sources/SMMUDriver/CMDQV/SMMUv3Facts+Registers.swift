// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

extension Hardware {
  /// Where the CMDQV's registers are among those of the SMMU, and how many bytes they take.
  var cmdqvFacts: [DriverFact] {
    guard let cmdqv else {
      return [DriverFact("cmdqv_offset", .none), DriverFact("cmdqv_length", .none)]
    }
    return [
      DriverFact("cmdqv_offset", .hex(Hardware.cmdqvOffset)),
      DriverFact("cmdqv_length", .hex(Tegra241CMDQV.byteCount(cmdqv.size))),
    ]
  }
}

/// The registers of a guest's interface and of its queues, both as numbers and decoded.
extension SMMUv3Facts {
  func registers(of object: Object) -> [DriverFact]? {
    guard let engine = hardware.cmdqv else { return nil }
    switch object {
    case let viommu as VIOMMU:
      guard let vintf = (viommu.driverData as? VSMMU)?.vintf, vintf.isLive else { return nil }
      return interfaceRegisters(vintf.number, engine)
    case let queue as HWQueue:
      guard let lvcmdq = queue.driverData as? LVCMDQ, lvcmdq.isLive else { return nil }
      return queueRegisters(lvcmdq, engine)
    default: return nil
    }
  }

  private func raw(_ offset: UInt32, _ engine: Tegra241CMDQV, width: Int = 4) -> DriverFact.Value {
    .hex((try? engine.readRegister(offset, width: width)) ?? 0)
  }

  private func interfaceRegisters(_ number: Int, _ engine: Tegra241CMDQV) -> [DriverFact] {
    let registers = CMDQVRegisters.interface(number)
    let state = engine.interface(number)
    // Slots that have never been filled are left out.
    let used = state.slots.enumerated().filter { $1.isEnabled || $1.stream != 0 }
    let slots = used.map { position, slot in
      [
        DriverFact("slot", .int(position)),
        DriverFact("sid_match", raw(registers.sidMatch(position), engine)),
        DriverFact("sid_replace", raw(registers.sidReplace(position), engine)),
        DriverFact("enabled", .bool(slot.isEnabled)),
        DriverFact("virtual_stream_id", .hex(UInt64(slot.guestStream))),
        DriverFact("stream_id", .hex(UInt64(slot.stream))),
      ]
    }
    return [
      DriverFact("vintf_config", raw(registers.config, engine)),
      DriverFact("vintf_status", raw(registers.status, engine)),
      DriverFact("lvcmdq_err_map", .hexes(state.errorMap)),
      DriverFact("enabled", .bool(state.isEnabled)),
      DriverFact("enable_ok", .bool(state.isEnableOK)),
      DriverFact("hyp_own", .bool(state.isHypervisorOwned)),
      DriverFact("vmid", .int(Int(state.vmid))),
      DriverFact("status", .int(Int(state.status))),
      DriverFact("sid_slots", .list(slots)),
    ]
  }

  private func queueRegisters(_ lvcmdq: LVCMDQ, _ engine: Tegra241CMDQV) -> [DriverFact] {
    let registers = CMDQVRegisters.queue(lvcmdq.interface, lvcmdq.logical)
    let state = engine.queue(lvcmdq.global)
    return [
      DriverFact("cmdq_alloc", raw(CMDQVRegisters.allocation(lvcmdq.global), engine)),
      DriverFact("cons_indx", raw(registers.cons, engine)),
      DriverFact("prod_indx", raw(registers.prod, engine)),
      DriverFact("config", raw(registers.config, engine)),
      DriverFact("status", raw(registers.status, engine)),
      DriverFact("gerror", raw(registers.gerror, engine)),
      DriverFact("gerrorn", raw(registers.gerrorn, engine)),
      DriverFact("base", raw(registers.base, engine, width: 8)),
      DriverFact("cons_indx_base_dram", raw(registers.consBase, engine, width: 8)),
      DriverFact("mapped", .bool(state.isMapped)),
      DriverFact("enabled", .bool(state.isEnabled)),
      DriverFact("enable_ok", .bool(state.isEnableOK)),
      DriverFact("prod", .int(Int(state.prod))),
      DriverFact("cons", .int(Int(state.cons))),
      DriverFact("error", state.errorName.map { .text($0) } ?? .none),
      DriverFact("log2_size", .int(Int(state.log2Size))),
      DriverFact("commands", .int(Int(clamping: state.counters.commands))),
      DriverFact("errors", .int(Int(clamping: state.counters.errors))),
    ]
  }
}
