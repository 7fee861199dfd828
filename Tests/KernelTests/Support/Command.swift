// SPDX-License-Identifier: Apache-2.0
import Testing

/// The commands of an iommufd by their numbers behind the type byte, and the sizes of their
/// arguments: in the first version, and today.
struct Command: Sendable, CustomTestStringConvertible {
  let name: String
  let number: UInt32
  let minimum: Int
  let full: Int

  private init(_ name: String, _ number: UInt32, _ minimum: Int, _ full: Int) {
    self.name = name
    self.number = 0x3b00 | number
    self.minimum = minimum
    self.full = full
  }

  private init(_ name: String, _ number: UInt32, _ size: Int) {
    self.init(name, number, size, size)
  }

  var testDescription: String { name }

  static let destroy = Command("DESTROY", 0x80, 8)
  static let ioasAlloc = Command("IOAS_ALLOC", 0x81, 12)
  static let allowIOVAs = Command("IOAS_ALLOW_IOVAS", 0x82, 24)
  static let copy = Command("IOAS_COPY", 0x83, 40)
  static let iovaRanges = Command("IOAS_IOVA_RANGES", 0x84, 32)
  static let map = Command("IOAS_MAP", 0x85, 40)
  static let unmap = Command("IOAS_UNMAP", 0x86, 24)
  static let option = Command("OPTION", 0x87, 24)
  static let vfioIOAS = Command("VFIO_IOAS", 0x88, 12)
  static let hwptAlloc = Command("HWPT_ALLOC", 0x89, 24, 48)
  static let getHWInfo = Command("GET_HW_INFO", 0x8a, 32, 40)
  static let setDirtyTracking = Command("HWPT_SET_DIRTY_TRACKING", 0x8b, 16)
  static let getDirtyBitmap = Command("HWPT_GET_DIRTY_BITMAP", 0x8c, 48)
  static let invalidate = Command("HWPT_INVALIDATE", 0x8d, 32)
  static let faultQueueAlloc = Command("FAULT_QUEUE_ALLOC", 0x8e, 16)
  static let mapFile = Command("IOAS_MAP_FILE", 0x8f, 40)
  static let viommuAlloc = Command("VIOMMU_ALLOC", 0x90, 24, 40)
  static let vdeviceAlloc = Command("VDEVICE_ALLOC", 0x91, 24)
  static let changeProcess = Command("IOAS_CHANGE_PROCESS", 0x92, 8)
  static let veventqAlloc = Command("VEVENTQ_ALLOC", 0x93, 28, 32)
  static let hwQueueAlloc = Command("HW_QUEUE_ALLOC", 0x94, 40)
  static let noIOMMUGetPA = Command("IOAS_NOIOMMU_GET_PA", 0x95, 40)

  static let all = [
    destroy, ioasAlloc, allowIOVAs, copy, iovaRanges, map, unmap, option, vfioIOAS, hwptAlloc,
    getHWInfo, setDirtyTracking, getDirtyBitmap, invalidate, faultQueueAlloc, mapFile,
    viommuAlloc, vdeviceAlloc, changeProcess, veventqAlloc, hwQueueAlloc, noIOMMUGetPA,
  ]
}
