// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware

/// What a VMM asks about the hardware before it builds a guest's SMMU.
extension SMMUv3Ops {
  /// The types of information that the driver has (`enum iommu_hw_info_type`).
  private static let smmuInfo: UInt32 = 2
  private static let cmdqvInfo: UInt32 = 3

  func tracksDirtyPages(of device: Device) -> Bool {
    features.httu >= 2 && device.properties.tracksDirtyPages
  }

  /// The addresses at which Linux maps the doorbells of message signalled interrupts
  /// (`arm_smmu_get_resv_regions`).
  func reservedRanges(of device: Device) -> [ClosedRange<UInt64>] { [0x800_0000...0x80f_ffff] }

  /// The answer to `IOMMU_GET_HW_INFO` (`arm_smmu_hw_info`, `tegra241_cmdqv_hw_info`).
  func hardwareInfo(of device: Device, type: UInt32) throws(Refusal) -> HardwareInfo {
    var capabilities: HardwareInfo.Capabilities = []
    if tracksDirtyPages(of: device) { capabilities.insert(.dirtyTracking) }
    if !features.ats || !device.properties.ats { capabilities.insert(.noATS) }
    let pasidBits = min(device.properties.pasidBits, features.ssidSize)
    switch type {
    case 0, Self.smmuInfo:
      return HardwareInfo(
        type: Self.smmuInfo, data: smmuInfoData, capabilities: capabilities, pasidBits: pasidBits)
    case Self.cmdqvInfo:
      guard let cmdqv = settings.cmdqv else { break }
      return HardwareInfo(
        type: type, data: Self.data(about: cmdqv), capabilities: capabilities,
        pasidBits: pasidBits)
    default: break
    }
    throw Refusal(.EOPNOTSUPP, field: "data_type", "\(name) has no information of that type")
  }

  /// The bytes of `struct iommu_hw_info_arm_smmuv3`: the flags, a reserved word, IDR0 to IDR5, IIDR
  /// and AIDR.
  private var smmuInfoData: [UInt8] {
    let registers = [
      0, 0, features.idr0, features.idr1, 0, features.idr3, 0, features.idr5, 0, 0,
    ]
    var data = LittleEndian([], size: registers.count * 4)
    for (index, register) in registers.enumerated() { data.set(index * 4, u32: register) }
    return data.bytes
  }

  /// The bytes of `struct iommu_hw_info_tegra241_cmdqv`: the flags, the version, and the logarithms
  /// of the numbers of queues and of SID slots that an interface has.
  private static func data(about cmdqv: SMMUSettings.CMDQV) -> [UInt8] {
    var data = LittleEndian([], size: 8)
    data.set(4, u8: 1)
    data.set(5, u8: UInt8((cmdqv.vcmdqs / cmdqv.vintfs).trailingZeroBitCount))
    data.set(6, u8: UInt8(cmdqv.sidsPerVINTF.trailingZeroBitCount))
    return data.bytes
  }
}
