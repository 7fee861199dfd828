// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// Operations on the hardware past the objects: registers, a guest's commands, and what devices
/// send to memory.
struct HardwareOperations {
  let core: ObjectCore
  let traffic: TrafficTable

  // MARK: Registers

  func writeRegister(
    _ name: String, _ offset: UInt64, _ value: UInt64, width: Int
  ) throws(Refusal) -> Outcome {
    let smmu: SMMU = try core.find(.smmu, name)
    do throws(Refusal) {
      try smmu.driver.requireRegisters().writeRegister(
        offset, value, width: width, in: core.transaction)
    } catch {
      throw error.placedForRegister()
    }
    return .done
  }

  func writeWindow(
    _ name: String, _ offset: UInt64, _ value: UInt64, width: Int
  ) throws(Refusal) -> Outcome {
    let viommu: VIOMMU = try core.find(.viommu, name)
    do throws(Refusal) {
      try viommu.ops.writeWindow(
        of: viommu, at: offset, value, width: width, in: core.transaction)
    } catch {
      throw error.placedForRegister()
    }
    return .done
  }

  // MARK: Guests

  /// The type of the commands that the guest of a vIOMMU hands over: those of an SMMUv3, or the
  /// entries of the mock (`enum iommu_hwpt_invalidate_data_type`).
  private static let commandTypes: [VIOMMUType: UInt32] = [
    .armSMMUv3: 1, .tegra241CMDQV: 1, .selftest: 0xdead_beef,
  ]

  func invalidate(_ name: String, _ commands: [[UInt64]]) throws(Refusal) -> Outcome {
    let viommu: VIOMMU = try core.find(.viommu, name)
    let type = HardwareOperations.commandTypes[viommu.type] ?? 0
    let outcome = try core.domains.invalidate(
      viommu,
      InvalidationArray(
        type: type, entryLength: 16, count: commands.count,
        bytes: commands.flatMap { $0.flatMap(LittleEndian.bytes) }))
    guard let refusal = outcome.refusal else { return .invalidated(outcome.handled) }
    return .stopped(refusal.moved("entries", to: "commands"), .invalidated(outcome.handled))
  }

  func submit(
    _ name: String, _ commands: [[UInt64]], described: Int
  ) throws(Refusal) -> Outcome {
    let queue: HWQueue = try core.find(.hwQueue, name)
    let submission = try queue.viommu.ops.submit(
      commands, to: queue, in: core.transaction)
    return .submitted(submission, described: described)
  }

  // MARK: Devices

  /// Has the device access memory when the transaction commits, because an access cannot be taken
  /// back.
  func dma(_ name: String, _ request: DMARequest) throws(Refusal) -> Outcome {
    let port = try port(of: name)
    let outcome = DMAOutcome()
    core.transaction.onCommit { outcome.result = port.perform(request) }
    return .accessed(outcome)
  }

  func startTraffic(_ name: String, _ settings: TrafficSettings) throws(Refusal) -> Outcome {
    let port = try port(of: name)
    try traffic.start(name, settings, port, in: core.transaction)
    return .trafficStarted(name)
  }

  func stopTraffic(_ name: String) throws(Refusal) -> Outcome {
    let _: Device = try core.find(.device, name)
    traffic.stop(name, in: core.transaction)
    return .deleted([])
  }

  private func port(of name: String) throws(Refusal) -> any DevicePort {
    let device: Device = try core.find(.device, name)
    guard let port = device.smmu.driver.ops.port(of: device) else {
      throw Refusal(
        .EOPNOTSUPP, "\(device.smmu.name) does not emulate what its devices send to memory")
    }
    return port
  }
}
