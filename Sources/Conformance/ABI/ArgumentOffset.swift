// SPDX-License-Identifier: Apache-2.0

/// The offsets, in bytes, of the members of arguments that the kernel writes.
enum ArgumentOffset {
  /// `out_iova_alignment` and `num_iovas` of IOVA_RANGES.
  static let rangeAlignment = 24
  static let rangeCount = 8
  /// `dst_iova` of IOAS_COPY, `iova` of IOAS_MAP.
  static let copyIOVA = 24
  static let mapIOVA = 32
  /// `length` of IOAS_UNMAP.
  static let unmapLength = 16
  /// `val64` of OPTION.
  static let optionValue = 16
  /// `ioas_id` of VFIO_IOAS.
  static let vfioIOAS = 4
  /// `out_data_type`, `out_max_pasid_log2` and `out_capabilities` of GET_HW_INFO.
  static let hwInfoType = 24
  static let hwInfoPASIDBits = 28
  static let hwInfoCapabilities = 32
  /// `entry_num` of HWPT_INVALIDATE.
  static let invalidateCount = 24
}
