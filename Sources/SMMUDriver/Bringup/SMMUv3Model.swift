// SPDX-License-Identifier: Apache-2.0
public import IOMMUFD
import IOMMUHardware
import Locking

/// The SMMUv3, with or without Tegra241's CMDQV, as a kind of physical IOMMU.
public struct SMMUv3Model: SMMUModel {
  private let places: ThreadPlaces

  /// Makes the model. The threads of guests' queues are counted for all hosts of the process
  /// together.
  public init() { self.init(places: .queues) }

  /// - Parameter places: limits how many guests' queues have a thread.
  init(places: ThreadPlaces) { self.places = places }

  /// The name by which hosts ask for it.
  public let name = "arm-smmuv3"

  /// The fields of the ID registers that can be chosen, by their names, and a switch for the
  /// driver's log.
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
    // This is no field of a register. It says whether the commands and the table entries that the
    // driver gives to the hardware are logged.
    SMMUFeature("trace", .flag, usual: 0),
  ]

  /// A Tegra241 on a smaller scale: stream IDs of 16 bits, and a CMDQV with 4 interfaces, 8 queues,
  /// and 16 SID slots for each interface.
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

  /// Adds the usual values of the features that the settings leave out, and makes the hardware's
  /// features of them all.
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

  /// Checks the size of a CMDQV. Each of the numbers must be a power of two, because PARAM holds
  /// their logarithms, and there must be at least one queue for each interface.
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
