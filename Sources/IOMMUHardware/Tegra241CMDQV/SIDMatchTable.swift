// SPDX-License-Identifier: Apache-2.0

/// A place of a `SIDMatchTable`: an SID slot that is in use, or nothing.
struct SIDMatchEntry: BitwiseCopyable {
  /// The guest's stream ID. It has 20 bits, so the greatest number stands for a place that is free.
  var guestStream = UInt32.max
  /// The stream ID that the SMMU knows.
  var stream: UInt32 = 0
  /// The number of that stream's port, or -1 while it is not known.
  var port: Int32 = -1
}

/// An interface's SID slots, arranged so that a guest's stream ID is found quickly: as a rule with
/// one look, however many slots are in use.
///
/// Each queue has a table of its own, which only the holder of that queue's lock uses.
struct SIDMatchTable: ~Copyable {
  /// The logarithm of the number of places: eight for each of at most 16 slots.
  private static let log2Count = 7
  /// The greatest stream ID of a guest.
  private static let greatestStream: UInt32 = 0xf_ffff

  private let entries = MaskedTable(log2Count: SIDMatchTable.log2Count, repeating: SIDMatchEntry())
  /// What a stream ID is multiplied by to find its place.
  private var multiplier: UInt32 = 1

  init() {}

  /// Takes over the slots of an interface, in place of those from before.
  ///
  /// - Parameters:
  ///   - match: SID_MATCH of each slot.
  ///   - replace: SID_REPLACE of each slot.
  mutating func fill(match: [UInt32], replace: [UInt32]) {
    // Multipliers are tried until one puts every slot in a place of its own. If none does, some
    // slots take two looks.
    multiplier = 0x9e37_79b1
    for _ in 0..<64 {
      if fillOnce(match, replace) { return }
      multiplier = multiplier &* 0x2c1b_3c6d | 1
    }
  }

  /// Fills the table with the present multiplier.
  ///
  /// - Returns: whether every slot is in the place that is looked at first.
  private func fillOnce(_ match: [UInt32], _ replace: [UInt32]) -> Bool {
    for index in 0..<entries.count { entries[index] = SIDMatchEntry() }
    var isPerfect = true
    for (match, replace) in zip(match, replace) where match & 1 != 0 {
      let stream = match >> 1 & SIDMatchTable.greatestStream
      // If two slots have the same stream ID, the one with the lower number counts.
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

  /// The place that is looked at first for a guest's stream ID.
  @inline(__always)
  private func place(_ stream: UInt32) -> Int {
    Int((stream &* multiplier) >> UInt32(32 - SIDMatchTable.log2Count))
  }

  /// The place of a guest's stream ID; nil if no enabled slot has it.
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

  /// The SMMU's stream ID at a place that `find` has returned.
  @inline(__always)
  func stream(_ index: Int) -> UInt32 { entries[index].stream }

  /// The number of the port of that stream; nil while it is not known.
  @inline(__always)
  func port(_ index: Int) -> Int? {
    let port = entries[index].port
    return port < 0 ? nil : Int(port)
  }

  /// Keeps the number of the port, so that it need not be looked up again.
  func setPort(_ index: Int, _ port: Int) { entries[index].port = Int32(truncatingIfNeeded: port) }
}
