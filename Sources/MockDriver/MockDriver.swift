// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// The driver of the kernel's self-test (`drivers/iommu/iommufd/selftest.c`). It does what a caller
/// of iommufd can see of that driver.
final class MockDriver: IOMMUDriver {
  let settings: SMMUSettings
  let streams = MockStreamTable()
  let owners: StreamOwners
  let ops: any IOMMUOps
  let domainOps: any DomainOps
  let viommuOps: any VIOMMUOps = MockVIOMMUOps()
  let eventHandler: any HardwareEventHandler

  init(name: String, settings: SMMUSettings, machine: any Machine) {
    self.settings = settings
    owners = StreamOwners(of: name, bits: settings.streamIDBits)
    ops = MockOps(name: name, owners: owners, streams: streams)
    domainOps = MockDomainOps(kind: settings.driver, streams: streams)
    eventHandler = MockEventHandler(smmu: name, streams: streams, machine: machine)
  }

  func facts(about object: Object) -> [DriverFact] {
    switch object {
    case let device as Device: facts(about: device)
    case let domain as Domain:
      (domain.driverData as? MockNestedDomain).map { [DriverFact("iotlb", .hexes($0.iotlb))] }
        ?? []
    case let viommu as VIOMMU:
      [
        DriverFact("mmap_offset", viommu.window.map { .hex($0.offset) } ?? .none),
        DriverFact("mmap_length", viommu.window.map { .hex($0.length) } ?? .none),
      ]
    case let queue as HWQueue: [DriverFact("base_address", .hex(queue.basePhysical))]
    default: []
    }
  }

  private func facts(about device: Device) -> [DriverFact] {
    let master = device.driverData as? MockMaster
    return [
      DriverFact("selftest_id", device.busObjectID.map { .int(Int($0)) } ?? .none),
      DriverFact("cache", .hexes(master?.cache ?? [])),
      DriverFact("vmaster", master?.vmaster.map { .text($0.viommu.name) } ?? .none),
      DriverFact("virtual_id", master?.vmaster.map { .hex($0.virtualID) } ?? .none),
    ]
  }
}
