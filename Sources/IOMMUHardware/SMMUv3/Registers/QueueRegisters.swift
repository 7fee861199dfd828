// SPDX-License-Identifier: Apache-2.0

/// The base, PROD and CONS of a queue in memory (IHI 0070, section 3.5).
///
/// An index has one bit more than the queue needs, which tells a full queue from an empty one.
/// Bit 31 is the overflow flag of the event and PRI queues.
struct QueueRegisters: Sendable, Equatable {
  static let addressMask: UInt64 = 0x000f_ffff_ffff_ffe0
  static let indexMask: UInt32 = 0xf_ffff

  var base: UInt64 = 0
  var prod: UInt32 = 0
  var cons: UInt32 = 0
  /// The most that the SMMU has (IDR1), as a logarithm.
  let greatestLog2Size: Int
  /// Bytes of an entry, as a logarithm.
  let entryShift: UInt64

  init(greatestLog2Size: Int, entryShift: UInt64) {
    self.greatestLog2Size = greatestLog2Size
    self.entryShift = entryShift
  }

  /// LOG2SIZE, not more than there is.
  var log2Size: UInt32 { UInt32(min(Int(base.field(4, 0)), greatestLog2Size, 19)) }

  private var wrapMask: UInt32 { (1 << (log2Size + 1)) - 1 }
  private var wrapBit: UInt32 { 1 << log2Size }

  var isEmpty: Bool { (prod ^ cons) & wrapMask == 0 }
  var isFull: Bool { (prod ^ cons) & wrapMask == wrapBit }

  /// The address of an entry; a queue is aligned to its size.
  func address(of index: UInt32) -> UInt64 {
    let aligned =
      base & QueueRegisters.addressMask & ~UInt64.ones(Int(log2Size) + Int(entryShift))
    return aligned | UInt64(index & (wrapBit - 1)) << entryShift
  }

  /// The index behind one, with the other bits of the register kept.
  func next(_ register: UInt32) -> UInt32 {
    register & ~QueueRegisters.indexMask | (register &+ 1) & wrapMask
  }

  /// Whether an overflow has not been acknowledged: OVFLG and OVACKFLG differ.
  var hasOverflow: Bool { (prod ^ cons) & 1 << 31 != 0 }
}
