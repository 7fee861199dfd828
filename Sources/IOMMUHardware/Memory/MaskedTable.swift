// SPDX-License-Identifier: Apache-2.0

/// A table of plain values at an address that does not change. Its length is a power of two, and
/// only the low bits of an index count. It replaces an array on the path of a TLB hit, because an
/// array would check its bounds and count references.
@safe struct MaskedTable<Element: BitwiseCopyable>: ~Copyable {
  private let elements: UnsafeMutablePointer<Element>
  private let mask: Int

  /// A table whose elements are all the same.
  ///
  /// - Parameters:
  ///   - log2Count: the logarithm of the number of elements; it is limited to 0 to 20.
  ///   - element: what every element is at first.
  init(log2Count: Int, repeating element: Element) {
    let count = 1 << min(max(log2Count, 0), 20)
    mask = count - 1
    unsafe elements = .allocate(capacity: count)
    unsafe elements.initialize(repeating: element, count: count)
  }

  deinit { unsafe elements.deallocate() }

  /// How many elements the table has.
  var count: Int { mask + 1 }

  /// The element at the index, of which only the low bits count.
  @inline(__always)
  subscript(_ index: Int) -> Element {
    get { unsafe elements[index & mask] }
    nonmutating set { unsafe elements[index & mask] = newValue }
  }
}
