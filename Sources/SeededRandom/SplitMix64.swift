// SPDX-License-Identifier: Apache-2.0

/// Sebastiano Vigna's generator SplitMix64. From the same seed it gives the same numbers on every
/// machine.
///
/// The traffic of devices, the fuzzers and the tests take their numbers from it. So a report needs
/// only to name the seed, and somebody else can repeat what happened. The numbers can be predicted,
/// and must not be used for secrets.
@frozen public struct SplitMix64: RandomNumberGenerator, Sendable {
  @usableFromInline var state: UInt64

  /// Makes a generator. Every seed is as good as any other.
  @inlinable public init(seed: UInt64) { state = seed }

  /// The next number, which can be any of 64 bits.
  @inlinable public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}

extension SplitMix64 {
  /// A number from 0 up to but not including `bound`, which must be positive.
  public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  /// Returns true in `percent` of a hundred cases on average.
  public mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

  /// Returns true in one of `times` cases on average. `times` must be positive.
  public mutating func once(in times: Int) -> Bool { below(times) == 0 }

  /// One of the elements, each with the same chance. There must be at least one.
  public mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[below(elements.count)]
  }

  /// One of the elements, each with a chance in proportion to its weight, which stands before it.
  ///
  /// No weight may be negative, and their sum must be positive.
  public mutating func pick<Element>(weighted elements: [(Int, Element)]) -> Element {
    var left = below(elements.reduce(0) { $0 + $1.0 })
    for (weight, element) in elements {
      if left < weight { return element }
      left -= weight
    }
    return elements[elements.count - 1].1
  }
}
