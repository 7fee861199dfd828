// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD
import IOMMUHardware
import Locking

/// The SMMUv3, with or without Tegra241's CMDQV, as a kind of physical IOMMU.
public struct SMMUv3Model: SMMUModel {
  private let places: ThreadPlaces

  /// There is one kind of it; guests' queues share the threads of the process.
  public init() { self.init(places: .queues) }

  /// - Parameter places: of the threads of guests' queues.
  init(places: ThreadPlaces) { self.places = places }

  /// The name by which hosts ask for it.
  public let name = "arm-smmuv3"

  /// The fields of the ID registers that can be chosen, by their names, and the driver's switch for
  /// tracing.
  public let features: [SMMUFeature] = [
    SMMUFeature("s1p", .flag, usual: 1),
    SMMUFeature("s2p", .flag, usual: 1),
    SMMUFeature("cohacc", .flag, usual: 1),
    SMMUFeature("httu", .number(0...2), usual: 2),
    SMMUFeature("ats", .flag, usual: 1),
    SMMUFeature("asid16", .flag, usual: 1),
    SMMUFeature("vmid16", .flag, usual: 1),
    SMMUFeature("msi", .flag, usual: 1),
    SMMUFeature("pri", .flag, usual: 1),
    SMMUFeature("stall_model", .number(0...2), usual: 0),
    SMMUFeature("ssidsize", .number(0...20), usual: 20),
    SMMUFeature("cmdqs", .number(7...19), usual: 19),
    SMMUFeature("evtqs", .number(0...19), usual: 19),
    SMMUFeature("priqs", .number(0...19), usual: 19),
    SMMUFeature("fwb", .flag, usual: 1),
    SMMUFeature("ril", .flag, usual: 1),
    SMMUFeature("bbml", .number(0...2), usual: 2),
    SMMUFeature("oas", .oneOf(SMMUv3Features.outputSizes), usual: 48),
    SMMUFeature("ds", .flag, usual: 0),
    // No field of a register: whether the log has what the driver tells the hardware.
    SMMUFeature("trace", .flag, usual: 0),
  ]

  /// What a Tegra241 has, but smaller: stream IDs of 16 bits, and a CMDQV with 4 interfaces, 8
  /// queues and 16 slots an interface.
  public var usualSettings: SMMUSettings {
    SMMUSettings(
      driver: name, streamIDBits: 16, cmdqv: .init(vintfs: 4, vcmdqs: 8, sidsPerVINTF: 16))
  }

  /// Makes the hardware and its driver, which brings the hardware up at the transaction's commit.
  ///
  /// - Throws: `EINVAL` for settings that no such hardware has, `ENOMEM` when the machine has no
  ///   memory for tables and queues.
  public func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine,
    in transaction: Transaction
  ) throws(Refusal) -> any IOMMUDriver {
    let (settings, features) = try SMMUv3Model.complete(settings, self.features)
    if let cmdqv = settings.cmdqv { try SMMUv3Model.check(cmdqv) }
    let driver = try SMMUv3Driver(
      name: smmu, settings: settings, features: features, machine: machine, places: places)
    transaction.onRollback { driver.discard() }
    transaction.onCommit { driver.reset() }
    return driver
  }

  /// The settings with all features said, and what they come to.
  static func complete(
    _ settings: SMMUSettings, _ features: [SMMUFeature]
  ) throws(Refusal) -> (SMMUSettings, SMMUv3Features) {
    var settings = settings
    for feature in features where settings.features[feature.name] == nil {
      settings.features[feature.name] = feature.usual
    }
    let result = SMMUv3Model.features(of: settings)
    guard result.s1p || result.s2p else {
      throw Refusal(.EINVAL, field: "features", "an SMMU has stage 1, stage 2 or both")
    }
    return (settings, result)
  }

  private static func features(of settings: SMMUSettings) -> SMMUv3Features {
    func number(_ name: String) -> Int { settings.features[name] ?? 0 }
    func flag(_ name: String) -> Bool { number(name) != 0 }
    var features = SMMUv3Features()
    features.s1p = flag("s1p")
    features.s2p = flag("s2p")
    features.cohacc = flag("cohacc")
    features.httu = number("httu")
    features.ats = flag("ats")
    features.asid16 = flag("asid16")
    features.vmid16 = flag("vmid16")
    features.msi = flag("msi")
    features.pri = flag("pri")
    features.stallModel = number("stall_model")
    features.sidSize = settings.streamIDBits
    features.ssidSize = number("ssidsize")
    features.cmdqs = number("cmdqs")
    features.evtqs = number("evtqs")
    features.priqs = number("priqs")
    features.fwb = flag("fwb")
    features.ril = flag("ril")
    features.bbml = number("bbml")
    features.oas = number("oas")
    features.ds = flag("ds")
    return features
  }

  /// PARAM holds the logarithms of the three numbers, and each interface has its share of the
  /// queues.
  static func check(_ cmdqv: SMMUSettings.CMDQV) throws(Refusal) {
    for (name, value) in [
      ("vintfs", cmdqv.vintfs), ("vcmdqs", cmdqv.vcmdqs), ("sids_per_vintf", cmdqv.sidsPerVINTF),
    ] where value & (value - 1) != 0 {
      throw Refusal(.EINVAL, field: "cmdqv/\(name)", "\(value) is not a power of two")
    }
    if cmdqv.vcmdqs < cmdqv.vintfs {
      throw Refusal(.EINVAL, field: "cmdqv/vcmdqs", "there are fewer queues than interfaces")
    }
  }
}
