// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Testing

/// A host whose SMMU no driver runs: the test writes its registers, queues and tables.
final class BareMachine {
  let lab: Lab
  /// Where the memory is, for the SMMU.
  let physical: UInt64

  // Offsets into the memory.
  static let streams: UInt64 = 0
  static let commands: UInt64 = 0x8000
  static let events: UInt64 = 0x9000
  static let contexts: UInt64 = 0xa000
  static let root: UInt64 = 0xb000
  static let data: UInt64 = 0x2_0000
  /// Logarithms of the entries.
  static let commandLog2: UInt64 = 3
  static let eventLog2: UInt64 = 2

  private(set) var entry = StreamTableEntry()
  private(set) var descriptor = ContextDescriptor()
  private var prod: UInt64 = 0

  init(_ features: String = "", device: String = "") throws {
    lab = try Lab(features, smmu: #""driver":"arm-smmuv3-bare""#)
    try lab.makeDevice("gpu0", stream: 66, device)
    try lab.make("ioas", #""id":"ram""#)
    physical = try #require(lab.map()["physical"].quantity)
  }

  // MARK: Memory

  func write(_ words: [UInt64], at offset: UInt64) throws {
    try lab.write(words, at: Lab.base + offset)
  }

  func read(_ offset: UInt64, _ count: Int = 1) throws -> [UInt64] {
    let bytes = try lab.bytes(at: Lab.base + offset, count * 8)
    return (0..<count).map { index in
      bytes[index * 8..<index * 8 + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
  }

  func install(_ entry: StreamTableEntry, stream: UInt64 = 66) throws {
    try write(entry.words, at: Self.streams + stream * 64)
  }

  /// Maps a page of the first 2 MiB.
  func mapPage(_ iova: UInt64, to offset: UInt64) throws {
    try write([physical + offset | Guest.page], at: Self.root + 0x2000 + (iova >> 12) * 8)
  }

  // MARK: Bringing up

  /// Everything but SMMUEN, as Linux does it.
  func prepare() throws {
    try lab.setRegister(0x20, 0)
    try lab.setRegister(0x28, 0xd75)
    try lab.setRegister(0x2c, 6)
    try lab.setRegister(0x80, physical + Self.streams | 1 << 62, width: 64)
    try lab.setRegister(0x88, 8)
    try lab.setRegister(0x90, physical + Self.commands | Self.commandLog2 | 1 << 62, width: 64)
    try lab.setRegister(0x98, 0)
    try lab.setRegister(0x9c, 0)
    try lab.setRegister(0x20, 8)
    try lab.setRegister(0xa0, physical + Self.events | Self.eventLog2 | 1 << 62, width: 64)
    try lab.setRegister(0x100a8, 0)
    try lab.setRegister(0x100ac, 0)
    try lab.setRegister(0x20, 0x1c)
    try lab.setRegister(0x50, 5)
  }

  /// A stream with a stage 1, whose page 0x1000 is the first of the data; and translation is on.
  func start(_ change: (inout StreamTableEntry) -> Void = { _ in }) throws {
    try prepare()
    entry.isValid = true
    entry.config = .stage1
    entry.s1ContextPtr = physical + Self.contexts
    entry.s1DSS = 2
    change(&entry)
    try install(entry)
    descriptor = Guest.descriptor(asid: 7, root: physical + Self.root)
    try write(descriptor.words, at: Self.contexts)
    try write([physical + Self.root + 0x1000 | 3], at: Self.root)
    try write([physical + Self.root + 0x2000 | 3], at: Self.root + 0x1000)
    try mapPage(0x1000, to: Self.data)
    try lab.setRegister(0x20, 0x1d)
  }

  // MARK: Queues

  func submit(_ commands: [Command]) throws {
    let mask = UInt64(1) << Self.commandLog2 - 1
    for command in commands + [.sync] {
      try write(command.words, at: Self.commands + (prod & mask) * 16)
      prod = (prod + 1) & (mask << 1 | 1)
    }
    try lab.setRegister(0x98, prod)
  }

  func submit(_ words: [UInt64]) throws { try submit([Command(dw0: words[0], dw1: words[1])]) }

  /// Takes all records out of the event queue.
  func takeEvents() throws -> [EventRecord] {
    let mask = UInt64(1) << Self.eventLog2 - 1
    var cons = try lab.register(0x100ac)
    let prod = try lab.register(0x100a8)
    var records: [EventRecord] = []
    while (prod ^ cons) & (mask << 1 | 1) != 0 {
      records.append(EventRecord(words: try read(Self.events + (cons & mask) * 32, 4)))
      cons = cons & 1 << 31 | (cons + 1) & (mask << 1 | 1)
    }
    try lab.setRegister(0x100ac, cons & 0x7fff_ffff | prod & 1 << 31)
    return records
  }
}
