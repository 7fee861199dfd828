// SPDX-License-Identifier: Apache-2.0

/// Commands about the hardware: what it is, what it noted, what it is to forget.
extension IoctlCall {
  /// `iommufd_get_hw_info`
  mutating func getHardwareInfo() throws(Refusal) {
    let hasInputType: UInt32 = 1
    try require("flags", argument.u32(4), only: hasInputType)
    let reserved = argument.u8(29) | argument.u8(30) | argument.u8(31)
    try require("__reserved", UInt32(reserved))
    // Without the flag the type is only written.
    let type = argument.u32(4) & hasInputType == 0 ? 0 : argument.u32(24)
    let device: Device = try find(.device, 8, field: "dev_id")
    let info = try device.smmu.driver.ops.hardwareInfo(of: device, type: type)
    let room = Int(argument.u32(12))
    // What the caller has room for beyond the data is cleared.
    var data = Array(info.data.prefix(room))
    let excess = min(room, Int(ObjectCore.pageSize)) - data.count
    if excess > 0 { data += Array(repeating: 0, count: excess) }
    try memory.write(argument.u64(16), data, field: "data_uptr")
    argument.set(12, u32: UInt32(info.data.count))
    argument.set(24, u32: info.type)
    argument.set(28, u8: UInt8(truncatingIfNeeded: info.pasidBits))
    argument.set(32, u64: info.capabilities.rawValue)
  }

  /// `iommufd_hwpt_set_dirty_tracking`
  mutating func setDirtyTracking() throws(Refusal) {
    let isOn: UInt32 = 1
    try require("flags", argument.u32(4), only: isOn)
    try require("__reserved", argument.u32(12))
    try core.domains.setDirtyTracking(object(.domain, 8), argument.u32(4) & isOn != 0)
  }

  /// `iommufd_hwpt_get_dirty_bitmap`: sets the bits of the pages that were written since they were
  /// read last. The bits of others stay as the caller has them.
  mutating func getDirtyBitmap() throws(Refusal) {
    let isNotCleared: UInt32 = 1
    try require("flags", argument.u32(8), only: isNotCleared)
    try require("__reserved", argument.u32(12))
    let domain: Domain = try find(.domain, 4, field: "hwpt_id")
    let (iova, length) = (argument.u64(16), argument.u64(24))
    let pageSize = argument.u64(32)
    let page = domain.ops.constraints(of: domain).alignment
    let (_, overflows) = iova.addingReportingOverflow(length &- 1)
    guard !domain.isNested else {
      throw Refusal(.ENOENT, field: "hwpt_id", "domain \(domain.name) is not a paging domain")
    }
    guard domain.isTrackingDirty, length > 0, !overflows, pageSize >= page,
      pageSize & (pageSize - 1) == 0, iova % pageSize == 0, length % pageSize == 0
    else {
      throw Refusal(
        .EINVAL, field: "iova", "dirty pages are of a domain that tracks them, and whole")
    }
  }

  /// `iommufd_hwpt_invalidate`; how many entries were carried out is written in any case.
  mutating func invalidate() throws(Refusal) {
    let count = argument.u32(24)
    argument.set(24, u32: 0)
    do throws(Refusal) {
      try require("__reserved", argument.u32(28))
      let request = try invalidations(count)
      let outcome = try core.domains.invalidate(context.byID[argument.u32(4)], request)
      argument.set(24, u32: UInt32(outcome.handled))
      refusal = outcome.refusal
    } catch {
      refusal = error
    }
  }

  private func invalidations(_ count: UInt32) throws(Refusal) -> InvalidationArray {
    let (pointer, length) = (argument.u64(8), argument.u32(20))
    var request = InvalidationArray(
      type: argument.u32(16), entryLength: Int(length), count: Int(count), bytes: [])
    if count == 0 { return request }
    if pointer == 0 { throw Refusal(.EINVAL, field: "data_uptr", "leads nowhere") }
    guard length > 0, length <= InvalidationArray.entryLimit else {
      throw Refusal(.EINVAL, field: "entry_len", "must be 1 to \(InvalidationArray.entryLimit)")
    }
    guard count <= InvalidationArray.countLimit else {
      throw Refusal(.EINVAL, field: "entry_num", "must be \(InvalidationArray.countLimit) at most")
    }
    // Without an object to take them nobody reads the entries.
    if context.byID[argument.u32(4)] == nil { return request }
    request.bytes = try memory.read(pointer, Int(count) * Int(length), field: "data_uptr")
    return request
  }
}
