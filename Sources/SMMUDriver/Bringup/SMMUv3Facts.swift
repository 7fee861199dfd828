// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver shows to people of the hardware and of the objects that use it.
struct SMMUv3Facts {
  let hardware: Hardware

  func facts(about object: Object) -> [DriverFact] {
    switch object {
    case is SMMU: Self.facts(about: hardware.smmu.features) + hardware.cmdqvFacts
    case let device as Device: deviceFacts(device)
    case let domain as Domain: domainFacts(domain)
    case let viommu as VIOMMU: viommuFacts(viommu)
    case let vdev as VDevice:
      [
        DriverFact(
          "sid_slot",
          (vdev.driverData as? SIDSlot).map { .int($0.number) } ?? .none)
      ]
    case let queue as HWQueue:
      [
        DriverFact("base_address", .hex(queue.basePhysical)),
        DriverFact("vcmdq", (queue.driverData as? LVCMDQ).map { .int($0.global) } ?? .none),
      ]
    default: []
    }
  }

  static func facts(about features: SMMUv3Features) -> [DriverFact] {
    [
      DriverFact("idr0", .hex(UInt64(features.idr0))),
      DriverFact("idr1", .hex(UInt64(features.idr1))),
      DriverFact("idr3", .hex(UInt64(features.idr3))),
      DriverFact("idr5", .hex(UInt64(features.idr5))),
    ]
  }

  private func deviceFacts(_ device: Device) -> [DriverFact] {
    let state = device.master.current
    return [
      DriverFact("ste", .hexes(state.entry.words)),
      DriverFact("ats_enabled", .bool(state.isATSEnabled)),
      DriverFact("vmaster", state.vmaster.map { .text($0.viommu) } ?? .none),
      DriverFact("virtual_stream_id", state.vmaster.map { .hex($0.virtualID) } ?? .none),
    ]
  }

  private func domainFacts(_ domain: Domain) -> [DriverFact] {
    guard let paging = domain.driverData as? PagingDomain else {
      return [
        DriverFact("stage", .text("nested")), DriverFact("vmid", .none), DriverFact("asid", .none),
      ]
    }
    switch paging.stage {
    case .stage1(let asid):
      return [
        DriverFact("stage", .text("stage1")), DriverFact("vmid", .none),
        DriverFact("asid", .int(Int(asid))),
      ]
    case .stage2(let vmid):
      return [
        DriverFact("stage", .text("stage2")), DriverFact("vmid", .int(Int(vmid))),
        DriverFact("asid", .none),
      ]
    }
  }

  private func viommuFacts(_ viommu: VIOMMU) -> [DriverFact] {
    let vsmmu = viommu.driverData as? VSMMU
    let vintf = vsmmu?.vintf
    return [
      DriverFact("vmid", vsmmu.map { .int(Int($0.vmid)) } ?? .none),
      DriverFact("vintf", vintf.map { .int($0.number) } ?? .none),
      DriverFact("mmap_offset", viommu.window.map { .hex($0.offset) } ?? .none),
      DriverFact("mmap_length", viommu.window.map { .hex($0.length) } ?? .none),
    ]
  }
}
