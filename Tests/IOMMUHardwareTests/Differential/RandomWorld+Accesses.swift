// SPDX-License-Identifier: Apache-2.0
@testable import IOMMUHardware

extension RandomWorld {
  /// Transactions, those with the same substream one behind the other.
  mutating func accesses(_ count: Int) -> [DeviceTransaction] {
    var result: [DeviceTransaction] = []
    while result.count < count {
      let substream = self.substream()
      for _ in 0..<min(count - result.count, Int(number(4...24))) {
        result.append(access(substream))
      }
    }
    return result
  }

  private mutating func substream() -> UInt32? {
    if chance(6) { return UInt32(random.next() & 0xf_ffff) >> UInt32(number(0...19)) }
    return pick(substreams) ?? nil
  }

  private mutating func access(_ substream: UInt32?) -> DeviceTransaction {
    DeviceTransaction(
      streamID: chance(97) ? stream : UInt32(truncatingIfNeeded: random.next() >> number(32...63)),
      substreamID: substream, address: address(), isWrite: chance(40),
      isPrivileged: chance(40), isInstruction: chance(20), kind: kind())
  }

  private mutating func kind() -> DeviceTransaction.Kind {
    if !features.ats || !chance(8) { return .untranslated }
    return chance(50) ? .translated : .translationRequest
  }

  private mutating func address() -> UInt64 {
    guard let address = pick(addresses), !chance(4) else { return random.next() >> number(0...63) }
    switch random.next() % 16 {
    case 0: return address
    case 1: return aligned(address, to: 12) &- 1
    case 2:
      return aligned(address, to: pick([12, 14, 16, 21, 25, 29, 30]) ?? 12) | number(0...4095)
    case 3: return address ^ 1 << number(0...63)
    case 4: return address ^ 1 << number(12...47)
    case 5: return address ^ number(1...255) << 56
    case 6: return address &+ number(0...3) << 12
    case 7: return address | 0xffff
    case 8: return address &+ 1 << (pick([12, 14, 16, 21, 25, 29, 30]) ?? 12)
    default: return address &+ number(0...4095)
    }
  }
}
