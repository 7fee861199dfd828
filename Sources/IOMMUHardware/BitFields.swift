// SPDX-License-Identifier: Apache-2.0

extension UInt64 {
  /// The bits `high` to `low`, inclusive.
  @inline(__always)
  package func field(_ high: Int, _ low: Int) -> UInt64 {
    (self >> UInt64(low)) & UInt64.mask(high - low + 1)
  }

  /// Sets the bits `high` to `low`; what does not fit of the value is cut off.
  @inline(__always)
  package mutating func setField(_ high: Int, _ low: Int, _ value: UInt64) {
    let mask = UInt64.mask(high - low + 1)
    self = self & ~(mask << UInt64(low)) | (value & mask) << UInt64(low)
  }

  @inline(__always)
  package func bit(_ index: Int) -> Bool { (self >> UInt64(index)) & 1 == 1 }

  @inline(__always)
  package mutating func setBit(_ index: Int, _ value: Bool) {
    setField(index, index, value ? 1 : 0)
  }

  @inline(__always)
  private static func mask(_ width: Int) -> UInt64 {
    width >= 64 ? .max : (1 << UInt64(width)) - 1
  }
}
