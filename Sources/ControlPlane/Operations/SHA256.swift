// SPDX-License-Identifier: Apache-2.0

/// SHA-256 (FIPS 180-4), for the digests of plans, of states and of repeated requests.
///
/// Nothing here is a secret. swift-crypto would do it as well, at the price of building
/// BoringSSL: three times the time of everything else together.
struct SHA256 {
  private static let roundConstants: [UInt32] = primes(64).map { fraction(of: $0, root: cubeRoot) }

  private static let start: [UInt32] = primes(8).map {
    fraction(of: $0, root: { $0.squareRoot() })
  }

  private var state = start
  private var schedule = [UInt32](repeating: 0, count: 64)
  private var pending: [UInt8] = []
  private var length: UInt64 = 0

  init() {}

  static func hex(of bytes: some Collection<UInt8>) -> String {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }

  mutating func update(_ bytes: some Collection<UInt8>) {
    length += UInt64(bytes.count)
    pending.append(contentsOf: bytes)
    var start = 0
    while pending.count - start >= 64 {
      compress(pending[start..<start + 64])
      start += 64
    }
    pending.removeFirst(start)
  }

  /// The digest of all that was added, as 64 hex digits.
  mutating func finish() -> String {
    let bits = length * 8
    pending.append(0x80)
    while pending.count % 64 != 56 { pending.append(0) }
    for shift in stride(from: UInt64(56), through: 0, by: -8) {
      pending.append(UInt8(truncatingIfNeeded: bits >> shift))
    }
    for start in stride(from: 0, to: pending.count, by: 64) {
      compress(pending[start..<start + 64])
    }
    var text: [UInt8] = []
    text.reserveCapacity(64)
    for word in state {
      for shift in stride(from: UInt32(28), through: 0, by: -4) {
        text.append(SHA256.digits[Int(word >> shift & 0xf)])
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static let digits = Array("0123456789abcdef".utf8)

  private mutating func compress(_ block: ArraySlice<UInt8>) {
    fillSchedule(from: block)
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    let constants = SHA256.roundConstants
    for index in 0..<64 {
      let choice = (e & f) ^ (~e & g)
      let majority = (a & b) ^ (a & c) ^ (b & c)
      let input = constants[index] &+ schedule[index]
      let first = h &+ (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) &+ choice &+ input
      let second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) &+ majority
      (h, g, f, e) = (g, f, e, d &+ first)
      (d, c, b, a) = (c, b, a, first &+ second)
    }
    for (index, word) in [a, b, c, d, e, f, g, h].enumerated() { state[index] &+= word }
  }

  private mutating func fillSchedule(from block: ArraySlice<UInt8>) {
    for index in 0..<16 {
      let start = block.startIndex + index * 4
      schedule[index] =
        UInt32(block[start]) << 24 | UInt32(block[start + 1]) << 16
        | UInt32(block[start + 2]) << 8 | UInt32(block[start + 3])
    }
    for index in 16..<64 {
      let (early, late) = (schedule[index - 15], schedule[index - 2])
      let first = rotate(early, 7) ^ rotate(early, 18) ^ (early >> 3)
      let second = rotate(late, 17) ^ rotate(late, 19) ^ (late >> 10)
      schedule[index] = schedule[index - 16] &+ first &+ schedule[index - 7] &+ second
    }
  }

  private func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 {
    word >> count | word << (32 - count)
  }

  // MARK: Constants

  private static func primes(_ count: Int) -> [Int] {
    var result: [Int] = []
    var candidate = 2
    while result.count < count {
      if !result.contains(where: { candidate % $0 == 0 }) { result.append(candidate) }
      candidate += 1
    }
    return result
  }

  /// The first 32 bits of the fractional part of a prime's root, which is what the standard
  /// takes its constants from; a double has enough bits for both roots of numbers this small.
  private static func fraction(of prime: Int, root: (Double) -> Double) -> UInt32 {
    let value = root(Double(prime))
    return UInt32((value - value.rounded(.down)) * 4_294_967_296)
  }

  private static func cubeRoot(_ value: Double) -> Double {
    var root = value.squareRoot()
    for _ in 0..<60 { root -= (root * root * root - value) / (3 * root * root) }
    return root
  }
}
