// SPDX-License-Identifier: Apache-2.0

extension PhysicalMemory {
  private static let zeros = [UInt8](repeating: 0, count: Int(pageSize))

  /// Zeroes a range of memory. It costs time only for pages that were written before, since all
  /// others are zero anyhow. The part of the range that is outside memory is left out.
  ///
  /// - Parameters:
  ///   - address: the first address.
  ///   - length: in bytes.
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
