// SPDX-License-Identifier: Apache-2.0

/// The constants and structures of the kernel's self-test driver
/// (`drivers/iommu/iommufd/iommufd_test.h`).
enum Selftest {
  static let viommuType: UInt32 = 0xdead_beef
  static let hwptType: UInt32 = 0xdead
  static let invalidateType: UInt32 = 0xdead_beef
  static let hwQueueType: UInt32 = 0xdead_beef
  static let veventqType: UInt32 = 0xbeef_beef

  /// What each word of a nested domain's cache holds at first, unless the data of its allocation
  /// says otherwise.
  static let iotlb: UInt32 = 0xbad_beef
  /// What each word of a device's cache holds at first.
  static let deviceCache: UInt64 = 0xbaddad
  /// How many words each of these caches has.
  static let cacheWords: UInt64 = 4

  /// `struct iommu_hwpt_selftest`
  static func hwptData(iotlb: UInt32, pageTableType: UInt32) -> [UInt8] {
    StructBytes.pack([.u32(iotlb), .u32(pageTableType)])
  }

  /// `struct iommu_viommu_selftest`
  static func viommuData(in value: UInt32) -> [UInt8] {
    StructBytes.pack([.u32(value), .u32(0), .u64(0), .u64(0)])
  }

  /// The offsets, in bytes, of what the driver writes into the data of a vIOMMU's allocation.
  enum VIOMMUData {
    static let outData = 4
    static let mmapOffset = 8
    static let mmapLength = 16
  }
}
