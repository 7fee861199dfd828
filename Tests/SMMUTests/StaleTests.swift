// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Testing

/// A cache that no longer agrees with the tables is found when it is used, and the command that is
/// missing ends it.
@Suite("Stale translations are seen, and end with the missing command") struct StaleTests {
  /// The missing command as the guest sends it: its own stream in place of the host's.
  private static func asGuest(_ words: [UInt64]) -> [UInt64] {
    let hasStream = [0x05, 0x06, 0x40].contains(words[0] & 0xff)
    return [hasStream ? words[0] & 0xffff_ffff | 0x10 << 32 : words[0], words[1]]
  }

  private func check(
    _ lab: Lab, _ cache: String, _ missing: String, iova: UInt64 = 0x1000,
    _ location: SourceLocation = #_sourceLocation
  ) throws -> [UInt64] {
    try lab.mark()
    let answer = try lab.dma(iova)
    let stale = answer["stale"]
    #expect(stale["cache"].string == cache, "\(answer)", sourceLocation: location)
    #expect(stale["missing"]["name"].string == missing, "\(answer)", sourceLocation: location)
    #expect(
      (stale["agreed_at"].int ?? 0) < (stale["seen_at"].int ?? 0), sourceLocation: location)
    let logged = try lab.events("smmu.stale_translation_used")
    #expect(logged.count == 1, sourceLocation: location)
    #expect(logged.first?["device"].string == "gpu0", sourceLocation: location)
    #expect(logged.first?["iova"].quantity == iova, sourceLocation: location)
    return stale["missing"]["words"].words
  }

  @Test("The TLB: a page that the guest has moved")
  func tlb() throws {
    let lab = try Lab()
    var guest = try lab.boot()
    #expect(try lab.dma(0x1000)["stale"].isNull)
    try guest.map(0x1000, Guest.data + 0x1000)
    let seq = try lab.latest()
    let missing = try check(lab, "tlb", "TLBI_NH_VA")
    #expect(missing == [0x0005_0001_0000_0012, 0x1001])
    // The answer says with which event the tables changed.
    #expect(try lab.dma(0x1000)["stale"]["since"].int == Int(seq))
    // Another address and another address space do not end it.
    try lab.invalidate([[0x0005_0000_0000_0012, 0x2001], [0x0006_0000_0000_0011, 0]])
    #expect(try !lab.dma(0x1000)["stale"].isNull)
    try lab.invalidate([Self.asGuest(missing)])
    let fresh = try lab.dma(0x1000)
    #expect(fresh["stale"].isNull && fresh["outcome"].string == "done")
  }

  @Test("The TLB: a page that is gone faults after the command, not before")
  func gone() throws {
    let lab = try Lab()
    var guest = try lab.boot()
    try lab.dma(0x1000)
    try lab.write([0], at: try guest.map(0x1000, Guest.data))
    let missing = try check(lab, "tlb", "TLBI_NH_VA")
    #expect(try lab.outcome(0x1000) == "done")
    try lab.invalidate([Self.asGuest(missing)])
    #expect(try lab.dma(0x1000)["event"]["name"].string == "F_TRANSLATION")
  }

  @Test("The context descriptor's cache: a new table")
  func context() throws {
    let lab = try Lab()
    var guest = try lab.boot()
    try lab.dma(0x1000)
    try guest.makeContext(0, asid: 6)
    try guest.map(0x1000, Guest.data + 0x2000)
    let missing = try check(lab, "cd", "CFGI_CD")
    #expect(missing == [0x0000_0042_0000_0005, 1])
    try lab.invalidate([[0x11 | 5 << 48, 0]])
    #expect(try lab.dma(0x1000)["stale"]["cache"].string == "cd")
    try lab.invalidate([Self.asGuest(missing)])
    #expect(try lab.dma(0x1000)["stale"].isNull)
  }

  @Test("The device's own cache: the TLB is clean and the device is not")
  func atc() throws {
    let lab = try Lab()
    var guest = try lab.boot(#""ats":true"#, dw1: 1 << 28)
    #expect(try lab.get("devices/gpu0")["hardware"]["ats_enabled"].bool == true)
    try lab.dma(0x1000)
    try guest.map(0x1000, Guest.data + 0x1000)
    try lab.invalidate([[0x0005_0000_0000_0012, 0x1001]])
    let missing = try check(lab, "atc", "ATC_INV")
    #expect(missing == [0x0000_0042_0000_0040, 0x1000])
    try lab.invalidate([[0x0000_0010_0000_0040, 0x2000]])
    #expect(try lab.dma(0x1000)["stale"]["cache"].string == "atc")
    try lab.invalidate([Self.asGuest(missing)])
    #expect(try lab.dma(0x1000)["stale"].isNull)
  }

  @Test("The driver's own changes leave nothing stale", arguments: [true, false])
  func driver(_ ats: Bool) throws {
    let lab = try Lab().furnish(#""ats":\#(ats),"pasid_bits":2"#)
    var guest = Guest(lab)
    try guest.makeContext()
    try guest.map(Lab.base, Guest.data)
    try lab.makeNested("n0", guest.ste(dw1: ats ? 1 << 28 : 0))
    try lab.makeNested("bypass", [9, 0])
    try lab.makeNested("abort", [1, 0])
    try lab.makePaging("p", #""pasid":true"#)
    try lab.mark()
    for domain in ["p", "s2", "n0", "bypass", "abort", "n0", "p", "bypass", "s2", "abort", "p"] {
      try lab.attach(domain)
      try lab.dma(Lab.base)
      try lab.map(0x80_0000, 0x3000)
      try lab.dma(0x80_1000, "write")
      try lab.unmap(0x80_0000, 0x3000)
      try lab.dma(0x80_1000)
      try lab.dma(Lab.base)
    }
    try lab.detach()
    try lab.dma(Lab.base)
    #expect(try lab.events("smmu.stale_translation_used") == [])
    #expect(try lab.events("smmu.global_error") == [])
  }

  @Test("An unmap reaches what a guest has cached of both stages")
  func unmapUnderGuest() throws {
    for ats in [false, true] {
      let lab = try Lab()
      var guest = try lab.boot(#""ats":\#(ats),"pasid_bits":2"#, dw1: ats ? 1 << 28 : 0)
      try lab.map(0x80_0000, 0x1000)
      try guest.map(0x2000, 0x80_0000)
      #expect(try lab.outcome(0x2000) == "done")
      try lab.unmap(0x80_0000, 0x1000)
      let answer = try lab.dma(0x2000)
      #expect(answer["outcome"].string == "aborted" && answer["stale"].isNull)
    }
  }

  @Test("A host that was not asked to does not log them, and answers all the same")
  func unasked() throws {
    let lab = try Lab(recordsStale: false)
    var guest = try lab.boot()
    try lab.dma(0x1000)
    try guest.map(0x1000, Guest.data + 0x1000)
    #expect(try lab.dma(0x1000)["stale"]["cache"].string == "tlb")
    #expect(try lab.events("smmu.stale_translation_used") == [])
  }

  // MARK: On an SMMU that no driver runs

  @Test("The entry's cache, on a bare SMMU: only CFGI_STE makes a new entry count")
  func entry() throws {
    let bare = try BareMachine()
    try bare.start()
    #expect(try bare.lab.outcome(0x1000) == "done")
    try bare.install(StreamTableEntry(dw0: 1))
    let missing = try check(bare.lab, "ste", "CFGI_STE")
    #expect(missing == [0x0000_0042_0000_0003, 1])
    try bare.submit([.cfgiCDAll(66), .tlbiNSNHAll])
    #expect(try bare.lab.dma(0x1000)["stale"]["cache"].string == "ste")
    try bare.submit([Command(dw0: missing[0], dw1: missing[1])])
    let fresh = try bare.lab.dma(0x1000)
    #expect(fresh["stale"].isNull && fresh["outcome"].string == "aborted")
  }

  @Test("Each cache, on a bare SMMU, ends with the command that is named")
  func all() throws {
    let bare = try BareMachine()
    try bare.start()
    let lab = bare.lab
    try lab.dma(0x1000)
    try bare.mapPage(0x1000, to: BareMachine.data + 0x1000)
    try bare.submit(try check(lab, "tlb", "TLBI_NH_VA"))
    #expect(try lab.dma(0x1000)["stale"].isNull)
    var descriptor = bare.descriptor
    descriptor.asid = 9
    try bare.write(descriptor.words, at: BareMachine.contexts)
    try bare.submit(try check(lab, "cd", "CFGI_CD"))
    #expect(try lab.dma(0x1000)["stale"].isNull)
    var entry = bare.entry
    entry.config = .bypass
    try bare.install(entry)
    try bare.submit(try check(lab, "ste", "CFGI_STE"))
    #expect(try lab.dma(0x1000)["translation"]["physical"].quantity == 0x1000)
  }
}
