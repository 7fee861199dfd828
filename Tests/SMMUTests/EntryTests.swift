// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import SeededRandom
import Testing

@testable import SMMUDriver

/// How the driver changes stream table entries that the hardware may read at any moment.
@Suite("Entries change step by step") struct EntryTests {
  private static let sync = "SYNC"
  private static let round = ["CFGI_STE", "SYNC"]

  /// How many times an entry was written and the hardware told; and whether it was invalid between.
  private func check(
    _ lab: Lab, rounds: Int, isHitless: Bool, location: SourceLocation = #_sourceLocation
  ) throws {
    let entries = try lab.entries()
    #expect(entries.count == rounds, "\(entries)", sourceLocation: location)
    #expect(
      entries.allSatisfy { $0[0] & 1 == 1 } == isHitless, "\(entries)", sourceLocation: location)
    let names = try lab.names().filter { ["CFGI_STE", "PREFETCH_CONFIG"].contains($0) }
    #expect(
      names == Array(repeating: "CFGI_STE", count: rounds) + ["PREFETCH_CONFIG"],
      sourceLocation: location)
    // Each is the leaf of the device's stream, with a SYNC behind it.
    let commands = try lab.commands()
    for (index, command) in commands.enumerated() where command[0] & 0xff == 0x03 {
      #expect(command == [0x0000_0042_0000_0003, 1] && commands[index + 1] == [0x46, 0])
    }
  }

  @Test("A first attach to stage 1 writes the descriptor, then the entry, twice each")
  func firstStage1() throws {
    let lab = try Lab().plug()
    try lab.mark()
    try lab.attach(ioas: "ram")
    #expect(
      try lab.names() == [
        "CFGI_CD", "SYNC", "CFGI_CD", "SYNC", "CFGI_STE", "SYNC", "CFGI_STE", "SYNC",
        "PREFETCH_CONFIG",
      ])
    try check(lab, rounds: 2, isHitless: true)
    #expect(try lab.commands()[0] == [0x0000_0042_0000_0005, 1])
    let entry = try lab.entry()
    #expect(entry[0] & 0xf == 0xb)
    // S1DSS, S1CIR, S1COR and S1CSH as Linux has them, and no stalls for one that cannot.
    #expect(entry[1] == 0xd6 | 1 << 27)
    #expect(entry[2] == 0)
  }

  @Test("A detach blocks, drops the ASID, and takes the descriptor away")
  func detach() throws {
    let lab = try Lab().plug()
    try lab.attach(ioas: "ram")
    try lab.mark()
    try lab.detach()
    #expect(
      try lab.names() == [
        "CFGI_STE", "SYNC", "CFGI_STE", "SYNC", "PREFETCH_CONFIG", "TLBI_NH_ASID", "SYNC",
        "CFGI_CD", "SYNC", "CFGI_CD", "SYNC",
      ])
    try check(lab, rounds: 2, isHitless: true)
    #expect(try lab.entry() == [1, 0, 0, 0, 0, 0, 0, 0])
  }

  @Test("109. The last device that leaves a parent has its VMID dropped, after the entry")
  func lastOfParent() throws {
    let lab = try Lab().furnish()
    try lab.makeDevice("d1", stream: 67)
    try lab.attach("s2")
    try lab.attach("s2", device: "d1")
    try lab.mark()
    try lab.detach("d1")
    #expect(try !lab.names().contains("TLBI_S12_VMALL"))
    try lab.mark()
    try lab.detach()
    #expect(
      try lab.names() == [
        "CFGI_STE", "SYNC", "CFGI_STE", "SYNC", "PREFETCH_CONFIG", "TLBI_S12_VMALL", "SYNC",
      ])
    #expect(try lab.commands()[5] == [0x0000_0001_0000_0028, 0])
  }

  @Test("109. A nested domain holds its parent's VMID, too")
  func lastNested() throws {
    let lab = try Lab().furnish()
    try lab.makeNested()
    try lab.makeNested("n1", [0x4000_100b, 0])
    try lab.attach("n0")
    try lab.mark()
    try lab.attach("n1")
    try lab.attach("s2")
    #expect(try !lab.names().contains("TLBI_S12_VMALL"))
    try lab.detach()
    #expect(try lab.names().suffix(2) == ["TLBI_S12_VMALL", "SYNC"])
  }

  // MARK: From one to the other

  /// Where a device comes from, where it goes, how often its entry is written, and whether it
  /// stays valid.
  struct Change: Sendable, CustomStringConvertible {
    let description: String
    let from: [UInt64]?
    let to: [UInt64]?
    let rounds: Int
    let isHitless: Bool
  }

  private static let nested: [UInt64] = [0x4000_000b, 0xd6]
  private static let bypass: [UInt64] = [0x9, 0]
  private static let abort: [UInt64] = [0x1, 0]

  /// nil is the parent itself.
  static let changes = [
    Change(description: "S2 to nested", from: nil, to: nested, rounds: 2, isHitless: true),
    Change(description: "nested to S2", from: nested, to: nil, rounds: 3, isHitless: true),
    Change(description: "nested to abort", from: nested, to: abort, rounds: 2, isHitless: true),
    Change(description: "abort to nested", from: abort, to: nested, rounds: 2, isHitless: true),
    Change(description: "abort to bypass", from: abort, to: bypass, rounds: 2, isHitless: true),
    Change(description: "bypass to abort", from: bypass, to: abort, rounds: 2, isHitless: true),
    Change(
      description: "110. nested to nested, S1ContextPtr", from: nested, to: [0x4000_100b, 0xd6],
      rounds: 1, isHitless: true),
    Change(
      description: "nested to nested, S1CDMax", from: nested, to: [0x2000_0000_4000_000b, 0xd6],
      rounds: 1, isHitless: true),
    Change(
      description: "nested to nested, S1DSS", from: nested, to: [0x4000_000b, 0xd5],
      rounds: 1, isHitless: true),
    Change(
      description: "110. nested to nested, S1ContextPtr and S1DSS", from: nested,
      to: [0x4000_100b, 0xd5], rounds: 3, isHitless: false),
  ]

  @Test("Entries change without a gap wherever one word decides", arguments: changes)
  func rounds(_ change: Change) throws {
    let lab = try Lab().furnish()
    for (name, ste) in [("from", change.from), ("to", change.to)] {
      if let ste { try lab.makeNested(name, ste) }
    }
    try lab.attach(change.from == nil ? "s2" : "from")
    try lab.mark()
    try lab.attach(change.to == nil ? "s2" : "to")
    try check(lab, rounds: change.rounds, isHitless: change.isHitless)
    #expect(try lab.entries().last == lab.entry())
  }

  @Test("A first attach to stage 2 takes two rounds")
  func firstStage2() throws {
    let lab = try Lab().furnish()
    try lab.mark()
    try lab.attach("s2")
    try check(lab, rounds: 2, isHitless: true)
  }

  @Test("37. The same domain again writes nothing and says nothing")
  func sameAgain() throws {
    let lab = try Lab().furnish()
    try lab.makeNested()
    try lab.attach("n0")
    try lab.mark()
    try lab.attach("n0")
    #expect(try lab.events() == [])
  }

  @Test("Every state of an entry is one that the hardware may see", arguments: [1, 2, 3, 4])
  func neverMixed(_ seed: UInt64) {
    // Whatever the two ends are: what is used of a state is all of one of them, or it is invalid.
    var random = SplitMix64(seed: seed)
    let writer = EntryWriter.streamTable
    func entry() -> [UInt64] {
      var words = (0..<8).map { $0 < 4 ? random.next() & random.next() : 0 }
      words[0] = words[0] & ~0xf | [0, 1, 9, 0xb, 0xd, 0xf][Int(random.next() % 6)]
      // What the driver makes has no bits that its mode does not use.
      let used = writer.used(words)
      return zip(words, used).map { $0 & $1 }
    }
    for _ in 0..<2000 {
      let (from, to) = (entry(), entry())
      let states = writer.steps(from: from, to: to)
      let changeable = writer.changeable(from, to)
      #expect(states.last ?? from == to)
      #expect(states.count <= 3)
      for state in states where state[0] & 1 != 0 {
        let used = writer.used(state)
        let differs = { (end: [UInt64]) in
          (0..<8).contains { (state[$0] ^ end[$0]) & used[$0] & ~changeable[$0] != 0 }
        }
        #expect(!differs(from) || !differs(to), "\(from) \(to) \(state)")
      }
    }
  }

  // MARK: What is in them

  @Test("39. A nested entry is the guest's over the parent's")
  func nestedEntry() throws {
    let lab = try Lab().furnish()
    try lab.makeNested("n0", [0x8000_0000_4000_002b, 0x0800_00d6])
    try lab.attach("n0")
    let entry = try lab.entry()
    #expect(entry[0] == 0x8000_0000_4000_002f)
    // S1STALLD and the cache attributes are the guest's; MEV, and S2FWB of the parent.
    #expect(entry[1] == 0x0800_00d6 | 1 << 19 | 1 << 25)
    #expect(entry[2] & 0xffff == 1)
    #expect(try lab.get("domains/s2")["hardware"]["vmid"].int == 1)
    // The entry in memory is the one that is shown.
    #expect(try lab.entries().last == entry)
  }

  @Test("40. A bypass entry is the parent's, with ATS whenever the device has it")
  func bypassEntry() throws {
    for (ats, eats) in [(false, UInt64(0)), (false, 1), (true, 0), (true, 1)] {
      let lab = try Lab().furnish(#""ats":\#(ats)"#)
      try lab.makeNested("n0", [0x9, eats << 28])
      try lab.attach("n0")
      let entry = try lab.entry()
      #expect(entry[0] == 0xd)
      #expect(entry[1] >> 28 & 3 == (ats ? 1 : 0), "\(ats) \(eats)")
      #expect(entry[1] & 1 << 19 == 0)
    }
  }

  @Test("28. An invalid entry is a valid abort, whatever else is in it")
  func invalidEntry() throws {
    let lab = try Lab().furnish()
    try lab.makeNested("n0", [0xffff_ffff_ffff_fffe, .max])
    try lab.attach("s2")
    try lab.attach("n0")
    #expect(try lab.entry() == [1, 0, 0, 0, 0, 0, 0, 0])
    #expect(try lab.outcome(Lab.base) == "aborted")
    #expect(try lab.unclaimed().isEmpty)
  }

  @Test("29. Each bit of an entry is the guest's or EIO")
  func guestMasks() {
    let masks: [UInt64] = [0xf80f_ffff_ffff_ffff, 0x3800_00ff]
    for word in 0..<2 {
      for bit in UInt64(0)..<64 {
        // V, Config and EATS have rules of their own.
        if word == 0 && bit < 4 || word == 1 && bit == 29 { continue }
        var words: [UInt64] = [0xb, 0]
        words[word] |= 1 << bit
        let isTaken = (try? NestedDomain.checked(words)) != nil
        #expect(isTaken == (masks[word] & 1 << bit != 0), "word \(word), bit \(bit)")
      }
    }
    for config in UInt64(0)..<8 {
      let isTaken = (try? NestedDomain.checked([1 | config << 1, 0])) != nil
      #expect(isTaken == [0, 4, 5].contains(config), "\(config)")
    }
    for eats in UInt64(0)..<4 {
      let isTaken = (try? NestedDomain.checked([0xb, eats << 28])) != nil
      #expect(isTaken == (eats < 2), "\(eats)")
    }
  }

  @Test(
    "29. What a guest may not write is EIO over the API",
    arguments: [
      [0x4000_000b, 1 << 44] as [UInt64], [0x4000_000d, 0], [0x4000_000f, 0],
      [0x4000_000b, 2 << 28], [0x0010_0000_4000_000b, 0],
    ])
  func refusedEntries(_ ste: [UInt64]) throws {
    let lab = try Lab().furnish()
    #expect(try lab.tryNested("n0", ste).errno == "EIO")
  }

  // MARK: Numbers

  @Test("VMIDs run out, and the lowest free one is used again")
  func vmidsRunOut() throws {
    let lab = try Lab(#""vmid16":false"#).plug()
    for number in 1...255 { try lab.makeParent("p\(number)") }
    let answer = try lab.post(
      "domains",
      #"{"id":"more","type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}"#)
    #expect(answer.errno == "ENOSPC" && answer.json["code"].string == "exhausted")
    #expect(try lab.delete("domains/p7").status == 200)
    try lab.makeParent("more")
    #expect(try lab.get("domains/more")["hardware"]["vmid"].int == 7)
  }

  @Test("99. A device of two streams has no vdev, and its numbers are free again")
  func twoStreams() throws {
    let lab = try Lab().furnish()
    try lab.makeDevice("d2", stream: 70, #""alias_stream_ids":[71]"#)
    let answer = try lab.post(
      "vdevs", #"{"id":"x","viommu":"v0","device":"d2","virt_id":"0x20"}"#)
    #expect(answer.errno == "EOPNOTSUPP")
    try lab.makeDevice("d3", stream: 72)
    let next = try lab.get("devices/d3")["object_id"].int
    try lab.makeVDev("x", device: "d3", virtID: 0x20)
    #expect(try lab.get("vdevs/x")["object_id"].int == (next ?? 0) + 1)
    // An abort is written for both of its streams.
    try lab.makeNested("n0", [9, 0])
    try lab.mark()
    try lab.attach("n0", device: "d2")
    #expect(try !lab.entries(70).isEmpty)
    #expect(try lab.entries(70) == lab.entries(71))
  }
}
