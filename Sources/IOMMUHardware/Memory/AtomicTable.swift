// SPDX-License-Identifier: Apache-2.0

/// A table of 16-bit numbers that any thread may read and write at any time without a lock. All are
/// zero at first.
@safe final class AtomicTable: @unchecked Sendable {
  private let elements: UnsafeMutableRawPointer
  /// How many numbers the table has.
  let count: Int

  /// A table whose numbers are all zero.
  ///
  /// - Parameter count: how many numbers it has; at least one in any case.
  init(count: Int) {
    self.count = max(1, count)
    unsafe elements = .allocate(
      byteCount: self.count * MemoryLayout<UInt16>.stride,
      alignment: MemoryLayout<UInt16>.alignment)
    unsafe elements.initializeMemory(as: UInt16.self, repeating: 0, count: self.count)
  }

  deinit { unsafe elements.deallocate() }

  /// The number at an index. Beyond the end of the table 0 is read, and what is written is dropped.
  @inline(__always)
  subscript(_ index: Int) -> UInt16 {
    get {
      guard index >= 0, index < count else { return 0 }
      return unsafe UInt16.load(elements + index * MemoryLayout<UInt16>.stride)
    }
    set {
      guard index >= 0, index < count else { return }
      unsafe UInt16.store(newValue, elements + index * MemoryLayout<UInt16>.stride)
    }
  }
}
