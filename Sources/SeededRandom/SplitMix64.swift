// SPDX-License-Identifier: Apache-2.0

/// Sebastiano Vigna's SplitMix64: numbers that only look random, the same from the same seed on
/// every machine.
///
/// Traffic, the fuzzers and the tests take theirs from here, so that a seed in a report is all
/// that somebody else needs. It is nothing to make secrets with.
@frozen public struct SplitMix64: RandomNumberGenerator, Sendable {
  @usableFromInline var state: UInt64

  /// A generator that gives the same numbers for the same seed, whichever it is.
  @inlinable public init(seed: UInt64) { state = seed }

  /// The next number, of 64 bits.
  @inlinable public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}

extension SplitMix64 {
  /// A number from 0 to just below `bound`, which is positive.
  public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  /// True in `percent` of a hundred cases.
  public mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

  /// True once in `times` on average; `times` is positive.
  public mutating func once(in times: Int) -> Bool { below(times) == 0 }

  /// One of `elements`, which are not empty.
  public mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[below(elements.count)]
  }

  /// One of `elements`, each as often as its weight says. Weights are not negative, and their sum
  /// is positive.
  public mutating func pick<Element>(weighted elements: [(Int, Element)]) -> Element {
    var left = below(elements.reduce(0) { $0 + $1.0 })
    for (weight, element) in elements {
      if left < weight { return element }
      left -= weight
    }
    return elements[elements.count - 1].1
  }
}
