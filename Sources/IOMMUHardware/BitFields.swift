// SPDX-License-Identifier: Apache-2.0

extension UInt64 {
  /// The value of the bits `high` to `low`, both included, shifted down to bit 0. Both are 0 to 63,
  /// and `high` is not below `low`.
  @inline(__always)
  package func field(_ high: Int, _ low: Int) -> UInt64 {
    (self >> UInt64(low)) & UInt64.mask(high - low + 1)
  }

  /// Replaces the bits `high` to `low`, both included. Bits of `value` that the field does not have
  /// are cut off.
  @inline(__always)
  package mutating func setField(_ high: Int, _ low: Int, _ value: UInt64) {
    let mask = UInt64.mask(high - low + 1)
    self = self & ~(mask << UInt64(low)) | (value & mask) << UInt64(low)
  }

  /// Whether bit `index`, 0 to 63, is set.
  @inline(__always)
  package func bit(_ index: Int) -> Bool { (self >> UInt64(index)) & 1 == 1 }

  /// Sets or clears bit `index`, 0 to 63.
  @inline(__always)
  package mutating func setBit(_ index: Int, _ value: Bool) {
    setField(index, index, value ? 1 : 0)
  }

  /// A word whose `width` lowest bits are set. 64 is a case of its own because `1 << 64` is 0, from
  /// which 1 cannot be subtracted.
  @inline(__always)
  private static func mask(_ width: Int) -> UInt64 {
    width >= 64 ? .max : (1 << UInt64(width)) - 1
  }
}
