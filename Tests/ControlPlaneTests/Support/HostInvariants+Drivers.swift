// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware

@testable import ControlPlane
@testable import IOMMUFD
@testable import MockDriver
@testable import SMMUDriver

/// The hardware has what the drivers know of the devices.
extension HostInvariants {
  static func streamViolations(of device: Device) -> [String] {
    switch device.smmu.driver {
    case let driver as SMMUv3Driver: violations(of: device, driver)
    case let driver as MockDriver: violations(of: device, driver)
    default: []
    }
  }

  /// A route for events: whose they are, and under which ID.
  private struct Route: Equatable {
    let viommu: String
    let virtualID: UInt64
  }

  private static func violations(of device: Device, _ driver: SMMUv3Driver) -> [String] {
    let name = "device \(device.name)"
    let state = device.master.current
    let route = state.vmaster.map { Route(viommu: $0.viommu, virtualID: $0.virtualID) }
    var found: [String] = []
    for id in device.properties.streamIDs {
      driver.programmer.streams.withStream(id) { stream in
        if stream?.entry.words != state.entry.words { found.append("\(name) has a stale entry") }
        let actual = stream?.vmaster.map { Route(viommu: $0.viommu, virtualID: $0.virtualID) }
        if actual != route { found.append("\(name) has a stale vmaster") }
        if stream?.faultRoutes.keys.sorted() != state.faultRoutes.keys.sorted() {
          found.append("\(name) has a stale route for faults")
        }
      }
    }
    if let route, device.group.domains[0]?.viommu?.name != route.viommu {
      found.append("\(name) reports to \(route.viommu), where it is not attached")
    }
    return found
  }

  private static func violations(of device: Device, _ driver: MockDriver) -> [String] {
    let name = "device \(device.name)"
    guard let master = device.driverData as? MockMaster else { return ["\(name) has no master"] }
    let route = master.vmaster.map { Route(viommu: $0.viommu.name, virtualID: $0.virtualID) }
    var found: [String] = []
    for id in device.properties.streamIDs {
      let actual = driver.streams.withStream(id) { stream in
        stream.map { Route(viommu: $0.viommu, virtualID: $0.virtualID) }
      }
      if actual != route { found.append("\(name) has a stale stream") }
    }
    if let vmaster = master.vmaster {
      if !vmaster.viommu.isLive { found.append("\(name) reports to a dead vIOMMU") }
      if device.group.domains[0]?.viommu !== vmaster.viommu {
        found.append("\(name) reports to \(vmaster.viommu.name), where it is not attached")
      }
    }
    return found
  }
}
