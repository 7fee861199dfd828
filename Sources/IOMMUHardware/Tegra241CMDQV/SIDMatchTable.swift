// SPDX-License-Identifier: Apache-2.0

/// A slot that is in use, or room for one.
struct SIDMatchEntry: BitwiseCopyable {
  /// No stream ID of a guest, which has 20 bits, while there is none.
  var guestStream = UInt32.max
  var stream: UInt32 = 0
  /// The port's number, or -1 while it is not known.
  var port: Int32 = -1
}

/// An interface's SID slots, made ready for looking up: one probe finds a slot, whatever the
/// number of slots in use.
///
/// Belongs to a queue, and to whoever holds that queue's lock.
struct SIDMatchTable: ~Copyable {
  private static let log2Count = 7
  private static let greatestStream: UInt32 = 0xf_ffff

  private let entries = MaskedTable(log2Count: SIDMatchTable.log2Count, repeating: SIDMatchEntry())
  private var multiplier: UInt32 = 1

  init() {}

  /// - Parameters:
  ///   - match: SID_MATCH of each slot.
  ///   - replace: SID_REPLACE of each slot.
  mutating func fill(match: [UInt32], replace: [UInt32]) {
    // A multiplier that keeps the slots apart. Without one, some take two probes.
    multiplier = 0x9e37_79b1
    for _ in 0..<64 {
      if fillOnce(match, replace) { return }
      multiplier = multiplier &* 0x2c1b_3c6d | 1
    }
  }

  /// - Returns: whether every slot is where it is looked for first.
  private func fillOnce(_ match: [UInt32], _ replace: [UInt32]) -> Bool {
    for index in 0..<entries.count { entries[index] = SIDMatchEntry() }
    var isPerfect = true
    for (match, replace) in zip(match, replace) where match & 1 != 0 {
      let stream = match >> 1 & SIDMatchTable.greatestStream
      // Of two slots with the same ID the first counts.
      if find(stream) != nil { continue }
      var index = place(stream)
      while entries[index].guestStream != .max {
        isPerfect = false
        index += 1
      }
      entries[index] = SIDMatchEntry(guestStream: stream, stream: replace)
    }
    return isPerfect
  }

  @inline(__always)
  private func place(_ stream: UInt32) -> Int {
    Int((stream &* multiplier) >> UInt32(32 - SIDMatchTable.log2Count))
  }

  /// Where a guest's stream ID is.
  @inline(__always)
  func find(_ stream: UInt32) -> Int? {
    if stream > SIDMatchTable.greatestStream { return nil }
    var index = place(stream)
    while true {
      let entry = entries[index]
      if entry.guestStream == stream { return index }
      if entry.guestStream == .max { return nil }
      index += 1
    }
  }

  /// The stream ID that the SMMU knows.
  @inline(__always)
  func stream(_ index: Int) -> UInt32 { entries[index].stream }

  /// The number of the stream's port.
  @inline(__always)
  func port(_ index: Int) -> Int? {
    let port = entries[index].port
    return port < 0 ? nil : Int(port)
  }

  func setPort(_ index: Int, _ port: Int) { entries[index].port = Int32(truncatingIfNeeded: port) }
}
