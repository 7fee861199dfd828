// SPDX-License-Identifier: Apache-2.0

/// A table of plain values at a stable address, whose length is a power of two and whose index
/// is cut to it: an array without the checks and the references, for the path of a TLB hit.
@safe struct MaskedTable<Element: BitwiseCopyable>: ~Copyable {
  private let elements: UnsafeMutablePointer<Element>
  private let mask: Int

  /// - Parameter log2Count: the logarithm of the number of elements, at most 20.
  init(log2Count: Int, repeating element: Element) {
    let count = 1 << min(max(log2Count, 0), 20)
    mask = count - 1
    unsafe elements = .allocate(capacity: count)
    unsafe elements.initialize(repeating: element, count: count)
  }

  deinit { unsafe elements.deallocate() }

  var count: Int { mask + 1 }

  @inline(__always)
  subscript(_ index: Int) -> Element {
    get { unsafe elements[index & mask] }
    nonmutating set { unsafe elements[index & mask] = newValue }
  }
}
