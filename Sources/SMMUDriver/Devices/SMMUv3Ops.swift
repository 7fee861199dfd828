// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What the driver does with devices (`arm_smmu_ops`).
struct SMMUv3Ops: IOMMUOps {
  /// The SMMU's name, which refusals mention.
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

  /// Makes a device's streams known, with entries that block them (`arm_smmu_probe_device`).
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

  /// Takes a device's streams out of the stream table (`arm_smmu_release_device`).
  func unbind(_ device: Device, in transaction: Transaction) {
    owners.release(of: device, in: transaction)
    let master = device.master
    programmer.withdraw(device, in: transaction)
    transaction.onCommit { master.contexts?.free() }
  }

  func port(of device: Device) -> (any DevicePort)? { device.master.port }

  /// Answers a group of page faults (`arm_smmu_page_response`). The answer to a stalled transaction
  /// is a RESUME for the SMMU. The answer to a page request is for the device, and is only logged.
  func respond(to group: FaultGroup, _ code: PageResponseCode) {
    guard let fault = group.faults.first else { return }
    guard let stream = group.stalledStream else {
      let device = programmer.streams.streams(of: fault.device).first ?? 0
      hardware.log(.pageResponse(stream: device, group: fault.group, code.rawValue))
      return
    }
    // The response 1 has the device try again, and 2 aborts the transaction.
    commands.main.issue(
      [.resume(stream, stag: UInt16(truncatingIfNeeded: fault.group), response: code.resume)],
      withSync: false)
  }
}

extension PageResponseCode {
  /// The answer as the field RESP of a RESUME.
  fileprivate var resume: UInt64 {
    switch self {
    case .success: 1
    case .invalid: 2
    }
  }
}
