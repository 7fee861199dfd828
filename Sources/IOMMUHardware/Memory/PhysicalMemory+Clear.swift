// SPDX-License-Identifier: Apache-2.0

extension PhysicalMemory {
  private static let zeros = [UInt8](repeating: 0, count: Int(pageSize))

  /// Zeroes a range, of which only what was written costs anything. What is no memory is left out.
  public func clear(_ address: UInt64, _ length: UInt64) {
    let (end, wraps) = address.addingReportingOverflow(length)
    let wanted = (address..<(wraps ? .max : end)).clamped(to: range)
    var next = wanted.lowerBound
    while next < wanted.upperBound {
      let offset = next &- range.lowerBound
      let step: UInt64
      if hasRegion(offset) {
        step = PhysicalMemory.pageSize
        let count = min(wanted.upperBound - next, step - offset % step)
        if hasPage(offset) { try? write(PhysicalMemory.zeros, 0..<Int(count), at: next) }
      } else {
        step = UInt64(1) << PhysicalMemory.regionShift
      }
      next = range.lowerBound + (offset / step + 1) * step
    }
  }
}
