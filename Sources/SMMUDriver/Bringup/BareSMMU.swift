// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD
import IOMMUHardware

/// An SMMUv3 that no driver runs. It is meant for people who write a driver: their software
/// programs it through its registers. The devices behind it make their accesses through it, but
/// iommufd cannot allocate anything for them.
public struct BareSMMUv3Model: SMMUModel {
  /// Makes the model, which has no options.
  public init() {}

  /// The name by which hosts ask for it.
  public let name = "arm-smmuv3-bare"
  /// The features of the SMMUv3, without those that only concern its driver.
  public var features: [SMMUFeature] { SMMUv3Model().features.filter { $0.name != "trace" } }

  /// An SMMU with stream IDs of 16 bits and without CMDQV.
  public var usualSettings: SMMUSettings {
    SMMUSettings(driver: name, streamIDBits: 16, cmdqv: nil)
  }

  /// Makes hardware that is out of reset, and what takes the place of its driver.
  ///
  /// - Throws: `EINVAL` for settings that no such hardware has.
  public func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine,
    in transaction: Transaction
  ) throws(Refusal) -> any IOMMUDriver {
    if let cmdqv = settings.cmdqv { try SMMUv3Model.check(cmdqv) }
    let (settings, features) = try SMMUv3Model.complete(settings, self.features)
    return BareSMMUv3(name: smmu, settings: settings, features: features, machine: machine)
  }
}

/// Takes the place of a driver where there is none.
final class BareSMMUv3: IOMMUDriver {
  let settings: SMMUSettings
  let ops: any IOMMUOps
  let domainOps: any DomainOps
  var registers: (any RegisterAccess)? { SMMUv3Registers(hardware: hardware, cmdqv: nil) }
  private let features: SMMUv3Features
  private let hardware: Hardware
  let owners: StreamOwners
  private let stalls: StalledAccesses
  let eventHandler: any HardwareEventHandler

  init(name: String, settings: SMMUSettings, features: SMMUv3Features, machine: any Machine) {
    self.settings = settings
    self.features = features
    hardware = Hardware(
      name: name, features: features, cmdqv: settings.cmdqv, machine: machine)
    owners = StreamOwners(of: name, bits: features.sidSize)
    stalls = StalledAccesses(hardware)
    eventHandler = BareEventHandler(hardware: hardware)
    ops = BareOps(
      name: name, features: features, hardware: hardware, owners: owners, stalls: stalls)
    domainOps = BareDomainOps(name: name)
    let (stalls, hardware) = (stalls, hardware)
    // The hardware keeps its receivers alive, so a receiver must not keep the hardware alive in
    // turn. Otherwise an SMMU that is made only to try its settings, and is never shut down, would
    // never be freed.
    hardware.cmdqvSink.setReceiver(interrupt: { [weak hardware] in
      hardware?.log(.interrupt("cmdqv"))
    })
    hardware.sink.setReceiver { [weak hardware, weak stalls] notification in
      guard let hardware, let stalls else { return }
      switch notification {
      case .stallAnswered(let answer): stalls.finish(answer)
      case .pageResponse(let response):
        hardware.log(
          .pageResponse(
            stream: response.streamID, group: UInt32(response.group), "\(response.code)"))
      case .interrupt(let interrupt): hardware.log(.interrupt("\(interrupt)"))
      case .message(let interrupt, _, _): hardware.log(.interrupt("\(interrupt)"))
      case .wakeEvent: hardware.log(.interrupt("wakeEvent"))
      }
    }
  }

  func shutDown(in transaction: Transaction) {
    transaction.onCommit { [hardware] in
      hardware.sink.setReceiver(nil)
      hardware.cmdqvSink.setReceiver(interrupt: nil)
    }
  }

  func facts(about object: Object) -> [DriverFact] {
    object is SMMU ? SMMUv3Facts.facts(about: features) + hardware.cmdqvFacts : []
  }
}

/// What can be done with the devices of an SMMU that no driver runs. They can be plugged in and
/// make accesses, but nothing can be allocated for them.
struct BareOps: IOMMUOps {
  let name: String
  let features: SMMUv3Features
  let hardware: Hardware
  let owners: StreamOwners
  let stalls: StalledAccesses

  func tracksDirtyPages(of device: Device) -> Bool { false }

  func hardwareInfo(of device: Device, type: UInt32) throws(Refusal) -> HardwareInfo {
    throw Self.unmanaged(name)
  }

  func bind(_ device: Device, in transaction: Transaction) throws(Refusal) {
    try owners.claim(for: device, in: transaction)
    let port = Port(
      device.name, hardware.smmu.port(device.properties.streamIDs[0]), hardware, stalls)
    if device.properties.ats, features.ats {
      transaction.onCommit { port.setATS(enabled: true) }
    }
    device.driverData = port
  }

  func unbind(_ device: Device, in transaction: Transaction) {
    owners.release(of: device, in: transaction)
    let port = device.driverData as? Port
    transaction.onCommit { port?.setATS(enabled: false) }
  }

  func port(of device: Device) -> (any DevicePort)? { device.driverData as? Port }

  func allocatePaging(
    _ domain: Domain, for device: Device, in transaction: Transaction
  ) throws(Refusal) { throw Self.unmanaged(name) }

  static func unmanaged(_ name: String) -> Refusal {
    Refusal(.EOPNOTSUPP, field: "device", "no driver runs \(name): its registers are yours")
  }
}

/// Refuses to attach devices, because there are no domains to attach them to.
struct BareDomainOps: DomainOps {
  let name: String

  func constraints(of domain: Domain) -> IOVAConstraints {
    IOVAConstraints(aperture: 0...UInt64.max, alignment: 4096)
  }

  func attach(
    _ device: Device, pasid: UInt32, to domain: Domain, in transaction: Transaction
  ) throws(Refusal) -> AttachOutcome { throw BareOps.unmanaged(name) }

  func detach(
    _ device: Device, pasid: UInt32, from domain: Domain, in transaction: Transaction
  ) {}
}

/// Puts records into the event queue in memory, where the software that runs the hardware finds
/// them.
struct BareEventHandler: HardwareEventHandler {
  let hardware: Hardware

  var wordCount: Int { EventRecord.wordCount }

  func record(_ words: [UInt64], from stream: UInt32) -> [UInt64] {
    var record = EventRecord(words: words)
    record.streamID = stream
    return record.words
  }

  func handle(_ words: [UInt64]) -> EventDisposition {
    hardware.smmu.record(EventRecord(words: words))
    return .queued
  }
}
