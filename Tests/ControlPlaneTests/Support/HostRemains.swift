// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware

@testable import ControlPlane
@testable import IOMMUFD
@testable import SMMUDriver

/// What is left of a host that has lost all its objects but the SMMU `smmu0`.
enum HostRemains {
  /// - Returns: what should be gone and is not, in words.
  static func violations(of host: Host) -> [String] {
    var found: [String] = []
    try? host.read { state in
      for kind in ObjectKind.allCases where kind != .smmu && state.core.count(kind) != 0 {
        found.append("\(state.core.count(kind)) of \(kind) are left")
      }
      if !state.core.groups.isEmpty { found.append("groups are left") }
      if !state.queueTopics.isEmpty { found.append("topics of queues are left") }
      guard let smmu = state.core.object(.smmu, "smmu0") as? SMMU,
        let driver = smmu.driver as? SMMUv3Driver
      else { return }
      if !smmu.heldBy.isEmpty { found.append("the SMMU is held") }
      if driver.tags.vmids.count != 0 { found.append("VMIDs are left") }
      if driver.tags.asids.count != 0 { found.append("ASIDs are left") }
      if driver.interfaces?.numbers.count ?? 0 != 0 { found.append("VINTFs are left") }
      if !driver.owners.ids.isEmpty { found.append("streams have owners") }
      for id in UInt32(0)...16 where driver.programmer.streams.withStream(id, { $0 != nil }) {
        found.append("stream \(id) has an entry")
      }
      if state.machine.takenBytes != 0 { found.append("memory is left") }
      // The SMMU's own are its queues, those of its CMDQV, and its stream table, whose parts stay.
      let cmdqv = driver.cmdqv?.memory.takenBytes ?? 0
      let own = driver.programmer.table.takenBytes + QueueMemory.takenBytes + cmdqv
      if state.machine.takenTableBytes != own { found.append("tables are left") }
      if !state.traffic.isEmpty { found.append("traffic is left") }
    }
    return found
  }
}
