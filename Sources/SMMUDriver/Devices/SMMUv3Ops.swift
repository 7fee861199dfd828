// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver does with devices (`arm_smmu_ops`).
struct SMMUv3Ops: IOMMUOps {
  /// The SMMU's name, for refusals.
  let name: String
  let settings: SMMUSettings
  let features: SMMUv3Features
  let hardware: Hardware
  let owners: StreamOwners
  let tags: TranslationTags
  let programmer: StreamTableProgrammer
  let commands: Commands
  let stalls: StalledAccesses
  /// The CMDQV's interfaces for guests; nil without the extension.
  let interfaces: VirtualInterfaces?

  /// `arm_smmu_probe_device`, and the blocking entries with which a device begins.
  func bind(_ device: Device, in transaction: Transaction) throws(Refusal) {
    try owners.claim(for: device, in: transaction)
    for stream in device.properties.streamIDs {
      guard programmer.table.hasRoom(for: stream) else {
        throw Refusal(.ERANGE, field: "stream_id", "the stream table has no place for \(stream)")
      }
      try programmer.table.prepare(stream, in: transaction)
    }
    let master = Master(cdMax: UInt64(min(device.properties.pasidBits, features.ssidSize)))
    device.driverData = master
    master.port = Port(
      device.name, hardware.smmu.port(device.properties.streamIDs[0]), hardware, stalls)
    programmer.publish(device, master.current, in: transaction)
  }

  /// `arm_smmu_release_device`
  func unbind(_ device: Device, in transaction: Transaction) {
    owners.release(of: device, in: transaction)
    let master = device.master
    programmer.withdraw(device, in: transaction)
    transaction.onCommit { master.contexts?.free() }
  }

  func port(of device: Device) -> (any DevicePort)? { device.master.port }

  /// The answer to a stalled transaction goes to the SMMU, one to a page request to the device
  /// (`arm_smmu_page_response`).
  func respond(to group: FaultGroup, _ code: PageResponseCode) {
    guard let fault = group.faults.first else { return }
    guard let stream = group.stalledStream else {
      let device = programmer.streams.streams(of: fault.device).first ?? 0
      hardware.log(.pageResponse(stream: device, group: fault.group, code.rawValue))
      return
    }
    // 1 has the device try again, 2 aborts.
    commands.main.issue(
      [.resume(stream, stag: UInt16(truncatingIfNeeded: fault.group), response: code.resume)],
      withSync: false)
  }
}

extension PageResponseCode {
  /// RESUME's RESP.
  fileprivate var resume: UInt64 {
    switch self {
    case .success: 1
    case .invalid: 2
    }
  }
}
