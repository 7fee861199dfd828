// SPDX-License-Identifier: Apache-2.0

/// The registers of a queue in memory: its base, PROD and CONS (IHI 0070, section 3.5).
///
/// An index has one bit more than the number of entries needs. This wrap bit tells a full queue
/// from an empty one. Bit 31 is the overflow flag of the event and PRI queues.
struct QueueRegisters: Sendable, Equatable {
  /// The bits of BASE that are the queue's address.
  static let addressMask: UInt64 = 0x000f_ffff_ffff_ffe0
  /// The bits of PROD and CONS that are an index with its wrap bit, for the greatest queue.
  static let indexMask: UInt32 = 0xf_ffff

  /// The base register: LOG2SIZE 4:0 and the queue's address.
  var base: UInt64 = 0
  /// PROD: the index behind the last entry that was put in.
  var prod: UInt32 = 0
  /// CONS: the index of the next entry that is taken out.
  var cons: UInt32 = 0
  /// The logarithm of the most entries that the SMMU allows (IDR1).
  let greatestLog2Size: Int
  /// The logarithm of the bytes of an entry.
  let entryShift: UInt64

  init(greatestLog2Size: Int, entryShift: UInt64) {
    self.greatestLog2Size = greatestLog2Size
    self.entryShift = entryShift
  }

  /// LOG2SIZE: the logarithm of the number of entries, limited to what the SMMU allows.
  var log2Size: UInt32 { UInt32(min(Int(base.field(4, 0)), greatestLog2Size, 19)) }

  /// The bits of an index, with the wrap bit.
  private var wrapMask: UInt32 { (1 << (log2Size + 1)) - 1 }
  /// The wrap bit.
  private var wrapBit: UInt32 { 1 << log2Size }

  /// Whether the indices and their wrap bits are equal.
  var isEmpty: Bool { (prod ^ cons) & wrapMask == 0 }
  /// Whether the indices are equal and the wrap bits differ.
  var isFull: Bool { (prod ^ cons) & wrapMask == wrapBit }

  /// The address of the entry at an index. A queue is aligned to its size.
  func address(of index: UInt32) -> UInt64 {
    let aligned =
      base & QueueRegisters.addressMask & ~UInt64.ones(Int(log2Size) + Int(entryShift))
    return aligned | UInt64(index & (wrapBit - 1)) << entryShift
  }

  /// The value of PROD or CONS with the next index; its other bits stay as they are.
  func next(_ register: UInt32) -> UInt32 {
    register & ~QueueRegisters.indexMask | (register &+ 1) & wrapMask
  }

  /// Whether there was an overflow that software has not acknowledged: PROD's OVFLG and CONS's
  /// OVACKFLG differ.
  var hasOverflow: Bool { (prod ^ cons) & 1 << 31 != 0 }
}
