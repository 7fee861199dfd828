// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// What the kernel's self-test driver does (`drivers/iommu/iommufd/selftest.c`), as far as a
/// caller of iommufd can tell.
final class MockDriver: IOMMUDriver {
  let name: String
  let settings: SMMUSettings
  let streams = MockStreamTable()
  let owners: StreamOwners
  let eventHandler: any HardwareEventHandler

  init(name: String, settings: SMMUSettings, machine: any Machine) {
    self.name = name
    self.settings = settings
    owners = StreamOwners(of: name, bits: settings.streamIDBits)
    eventHandler = MockEventHandler(smmu: name, streams: streams, machine: machine)
  }

  // MARK: Devices

  var keepsBusObjects: Bool { true }

  func tracksDirtyPages(of device: Device) -> Bool { device.properties.tracksDirtyPages }

  /// `mock_domain_hw_info`
  func hardwareInfo(of device: Device, type: UInt32) throws(Refusal) -> HardwareInfo {
    let selftest: UInt32 = 0xfeed_beef
    guard type == 0 || type == selftest else {
      throw Refusal(.EOPNOTSUPP, field: "data_type", "\(name) has no information of that type")
    }
    var data = LittleEndian([], size: 8)
    data.set(4, u32: 0xdead_beef)
    return HardwareInfo(
      type: selftest, data: data.bytes,
      capabilities: tracksDirtyPages(of: device) ? [.dirtyTracking, .noATS] : .noATS,
      pasidBits: device.properties.pasidBits)
  }

  func bind(_ device: Device, in transaction: Transaction) throws(Refusal) {
    try owners.claim(for: device, in: transaction)
    device.driverData = MockMaster()
  }

  func unbind(_ device: Device, in transaction: Transaction) {
    owners.release(of: device, in: transaction)
    transaction.onCommit { [streams] in streams.set(nil, for: device.properties.streamIDs) }
  }

  // MARK: Attaching

  /// `mock_domain_nop_attach`, `mock_domain_set_dev_pasid_nop`
  func attach(
    _ device: Device, pasid: UInt32, to domain: Domain, in transaction: Transaction
  ) throws(Refusal) -> AttachOutcome {
    guard let master = device.driverData as? MockMaster,
      domain.smmu.driver.settings.driver == settings.driver
    else {
      throw Refusal(.EINVAL, field: "domain", "the domain is of another kind of IOMMU")
    }
    if domain.flags.contains(.dirtyTracking), !device.properties.tracksDirtyPages {
      throw Refusal(
        .EINVAL, field: "domain", "nothing tracks the dirty pages of device \(device.name)")
    }
    if pasid != 0 {
      try master.attach(pasid: pasid, in: transaction)
      return AttachOutcome()
    }
    guard let viommu = domain.viommu else {
      enter(nil, device, master, in: transaction)
      return AttachOutcome()
    }
    guard let vdev = device.vdev, vdev.viommu === viommu else {
      throw Refusal(
        .ENOENT, field: "domain", "device \(device.name) has no vdev on vIOMMU \(viommu.name)")
    }
    // The virtual ID is that of the moment in which the device came to the vIOMMU.
    if master.vmaster?.viommu !== viommu {
      enter(vdev, device, master, in: transaction)
    }
    return AttachOutcome(vdev: vdev)
  }

  func detach(
    _ device: Device, pasid: UInt32, from domain: Domain, in transaction: Transaction
  ) {
    guard let master = device.driverData as? MockMaster else { return }
    if pasid == 0 {
      enter(nil, device, master, in: transaction)
    } else {
      master.detach(pasid: pasid, in: transaction)
    }
  }

  /// The device's events go to a vIOMMU from commit on, or to none.
  private func enter(
    _ vdev: VDevice?, _ device: Device, _ master: MockMaster, in transaction: Transaction
  ) {
    let previous = master.vmaster
    let current = vdev.map { MockMaster.VMaster(viommu: $0.viommu, virtualID: $0.virtualID) }
    master.vmaster = current
    transaction.onRollback { master.vmaster = previous }
    let stream = current.map { vmaster in
      MockStream(
        viommu: vmaster.viommu.name, events: vmaster.viommu.events,
        virtualID: vmaster.virtualID)
    }
    transaction.onCommit { [streams] in streams.set(stream, for: device.properties.streamIDs) }
  }
}

/// What the driver keeps of a device (`struct mock_dev`).
final class MockMaster {
  /// The vIOMMU to which the device's events go, and the virtual ID that they bear there.
  struct VMaster {
    let viommu: VIOMMU
    let virtualID: UInt64
  }

  static let cacheWord: UInt64 = 0xbadd_ad
  /// The greatest index of a word (`MOCK_DEV_CACHE_ID_MAX`).
  static let cacheLimit = 3

  var vmaster: VMaster?
  /// Words that a guest's invalidations clear.
  var cache = Array(repeating: cacheWord, count: cacheLimit + 1)
  /// Whether the next attach at the failing PASID fails.
  private var failsNextAttach = false

  /// The PASID at which the second attach in a row fails, to test what comes of that.
  private static let failingPASID: UInt32 = 1024

  /// - Throws: `ENOMEM` for the second attach at the one PASID, without a detach between the two.
  func attach(pasid: UInt32, in transaction: Transaction) throws(Refusal) {
    guard pasid == MockMaster.failingPASID else { return }
    if failsNextAttach {
      // The failure counts although it is taken back: the third attach passes.
      failsNextAttach = false
      throw Refusal(.ENOMEM, field: "pasid", "the second attach in a row at PASID \(pasid) fails")
    }
    failsNextAttach = true
    transaction.onRollback { self.failsNextAttach = false }
  }

  func detach(pasid: UInt32, in transaction: Transaction) {
    guard pasid == MockMaster.failingPASID, failsNextAttach else { return }
    failsNextAttach = false
    transaction.onRollback { self.failsNextAttach = true }
  }
}
