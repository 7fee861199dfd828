// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import TestSupport
import Testing

/// What becomes of a device's accesses.
@Suite("Devices reach memory through what they are attached to") struct DMATests {
  @Test("Without an attachment everything is aborted, and nobody hears of it")
  func blocked() throws {
    let lab = try Lab().plug()
    let answer = try lab.dma(Lab.base)
    #expect(answer["outcome"].string == "aborted" && answer["bytes"].int == 0)
    #expect(try lab.unclaimed().isEmpty)
  }

  /// The kinds of attachment that lead to the same memory, and where they see it.
  enum Way: String, CaseIterable, Sendable {
    case stage1, stage2, bypass, nested
  }

  private func attach(_ way: Way, _ lab: Lab) throws -> UInt64 {
    switch way {
    case .stage1: try lab.attach(ioas: "ram")
    case .stage2: try lab.attach("s2")
    case .bypass:
      try lab.makeNested("n0", [9, 0])
      try lab.attach("n0")
    case .nested:
      var guest = Guest(lab)
      try guest.makeContext()
      // Two pages whose order the guest turns over.
      try guest.map(0x7000_0000, Guest.data + 0x1000)
      try guest.map(0x7000_1000, Guest.data)
      try lab.makeNested("n0", guest.ste())
      try lab.attach("n0")
      return 0x7000_0000
    }
    return Guest.data
  }

  @Test("What is written is read, by the device and from behind", arguments: Way.allCases)
  func roundTrip(_ way: Way) throws {
    let lab = try Lab().furnish()
    let address = try attach(way, lab)
    // Across the border of two pages.
    let written = try lab.dma(address + 0xffe, "write", #""data":"0a0b0c0d""#)
    #expect(written["outcome"].string == "done" && written["bytes"].int == 4)
    #expect(!written["translation"]["physical"].isNull)
    let read = try lab.dma(address + 0xffe, "read", #""length":4"#)
    #expect(read["data"].string == "0a0b0c0d")
    let first: UInt64 = way == .nested ? Guest.data + 0x1ffe : Guest.data + 0xffe
    let second: UInt64 = way == .nested ? Guest.data : Guest.data + 0x1000
    #expect(try lab.bytes(at: first, 2) == [0x0a, 0x0b])
    #expect(try lab.bytes(at: second, 2) == [0x0c, 0x0d])
    // The other way round: what is put into memory is what the device reads.
    try lab.write([0x8877_6655_4433_2211], at: first & ~0xfff)
    #expect(try lab.dma(address, "atomic")["data"].string == "1122334455667788")
    // An atomic access without data writes zeros.
    #expect(try lab.bytes(at: first & ~0xfff, 8) == Array(repeating: 0, count: 8))
  }

  @Test("A fault in the middle says how far it came, and where it stopped")
  func partly() throws {
    let lab = try Lab()
    try lab.boot()
    let answer = try lab.dma(0x1ff8, "read", #""length":16"#)
    #expect(answer["outcome"].string == "aborted" && answer["bytes"].int == 8)
    #expect(answer["event"]["address"].quantity == 0x2000)
    #expect(try lab.veventRecords().map { $0[2] } == [0x2000])
  }

  @Test("PASIDs lead to their own tables, and only they do")
  func pasids() throws {
    let lab = try Lab().furnish(#""pasid_bits":4"#)
    var guest = Guest(lab)
    for context in UInt64(0)..<2 {
      try guest.makeContext(context, asid: 5 + context)
      try guest.map(0x1000, Guest.data + context << 12, context: context)
    }
    try lab.makeNested("n0", guest.ste(log2Contexts: 1))
    try lab.attach("n0")
    try lab.dma(0x1000, "write", #""data":"aa""#)
    try lab.dma(0x1000, "write", #""data":"bb","pasid":1"#)
    #expect(
      try lab.bytes(at: Guest.data, 1) + lab.bytes(at: Guest.data + 0x1000, 1) == [0xaa, 0xbb])
    let faulted = try lab.dma(0x5000, "read", #""pasid":1"#)
    #expect(faulted["event"]["substream_id"].int == 1)
    #expect(try lab.veventRecords().map { $0[0] } == [0x10_0000_1810])
    #expect(
      try lab.dma(0x1000, "read", #""pasid":2"#)["event"]["name"].string == "C_BAD_SUBSTREAMID")
  }

  @Test("PASIDs of the kernel's own, with the RID blocked, bound and replaced")
  func kernelPASIDs() throws {
    let lab = try Lab().plug(#""pasid_bits":12,"ats":true"#)
    try lab.make("ioas", #""id":"other""#)
    try lab.map(Lab.base, 0x1000, ioas: "other")
    try lab.makePaging("p", #""pasid":true"#)
    try lab.makePaging("q", #""pasid":true"#, ioas: "other")
    try lab.attach("p", pasid: 2048)
    #expect(try lab.get("devices/gpu0")["hardware"]["ats_enabled"].bool == true)
    #expect(try lab.outcome(Lab.base, "write", #""data":"01","pasid":2048"#) == "done")
    #expect(try lab.outcome(Lab.base) == "aborted")
    try lab.mark()
    try lab.attach("q", pasid: 2048)
    // The ASID that nobody has any more is dropped.
    #expect(try lab.commands().suffix(2) == [[0x0001_0000_0000_0011, 0], [0x46, 0]])
    #expect(try lab.dma(Lab.base, "read", #""length":1,"pasid":2048"#)["data"].string == "00")
    try lab.attach("p")
    #expect(try lab.dma(Lab.base, "read", #""length":1"#)["data"].string == "01")
    try lab.mark()
    try lab.detach(pasid: 2048)
    #expect(try lab.names().contains("TLBI_NH_ASID"))
    #expect(try lab.outcome(Lab.base, "read", #""pasid":2048"#) == "aborted")
    #expect(try lab.outcome(Lab.base) == "done")
    #expect(try lab.events("smmu.stale_translation_used") == [])
    #expect(try lab.events("smmu.global_error") == [])
  }

  @Test("A device that leaves stage 1 leaves no descriptor behind")
  func descriptorGoes() throws {
    let lab = try Lab().furnish(#""pasid_bits":4"#)
    try lab.makePaging("p", #""pasid":true"#)
    try lab.attach("p")
    try lab.mark()
    try lab.attach("s2")
    #expect(try lab.names().suffix(4) == ["CFGI_CD", "SYNC", "CFGI_CD", "SYNC"])
    try lab.detach()
    try lab.attach("p", pasid: 1)
    #expect(try lab.dma(Lab.base, "read", #""pasid":0"#)["event"]["name"].string == "C_BAD_CD")
  }

  // MARK: Faults

  @Test("Rights are checked where they are missing")
  func rights() throws {
    let lab = try Lab()
    var guest = try lab.boot()
    try guest.map(0x2000, Guest.data, attributes: Guest.page | Guest.readOnly)
    try guest.map(0x3000, Guest.data, attributes: Guest.page & ~(1 << 6))
    try guest.map(0x4000, Guest.data, attributes: Guest.page & ~(1 << 10))
    try guest.map(0x6000, Guest.data, attributes: Guest.page | 3 << 53)
    for (address, access, more, name) in [
      (0x2000, "read", "", nil), (0x2000, "write", "", "F_PERMISSION"),
      (0x2000, "atomic", "", "F_PERMISSION"), (0x3000, "read", "", "F_PERMISSION"),
      (0x3000, "read", #""privileged":true"#, nil), (0x4000, "read", "", "F_ACCESS"),
      (0x6000, "read", #""instruction":true"#, "F_PERMISSION"), (0x6000, "read", "", nil),
    ] as [(UInt64, String, String, String?)] {
      let answer = try lab.dma(address, access, more)
      #expect(answer["event"]["name"].string == name, "\(hex(address)) \(access) \(more)")
      #expect(answer["outcome"].string == (name == nil ? "done" : "aborted"))
    }
    #expect(try lab.veventRecords().map { $0[0] & 0xff } == [0x13, 0x13, 0x13, 0x12, 0x13])
    #expect(try lab.unclaimed().isEmpty)
  }

  @Test("A mapping that is not writable is not written to", arguments: [true, false])
  func readOnlyMapping(_ isStage1: Bool) throws {
    let lab = try Lab().furnish()
    if isStage1 { try lab.attach(ioas: "ram") } else { try lab.attach("s2") }
    try lab.map(0x80_0000, 0x1000, #""writable":false"#)
    #expect(try lab.outcome(0x80_0000) == "done")
    let answer = try lab.dma(0x80_0000, "write", #""data":"00""#)
    #expect(answer["event"]["name"].string == "F_PERMISSION")
    #expect(answer["event"]["stage2"].bool == !isStage1)
    #expect(try lab.unclaimed().count == 1)
  }

  @Test("A record that the descriptor does not want is not recorded")
  func unrecorded() throws {
    let lab = try Lab()
    try lab.boot { $0.r = false }
    let answer = try lab.dma(0x5000)
    #expect(answer["event"]["recorded"].bool == false)
    #expect(try lab.veventRecords() == [])
  }

  @Test("A descriptor without A gives zeros")
  func zeros() throws {
    let lab = try Lab(#""stall_model":1"#)
    try lab.boot { $0.a = false }
    #expect(try lab.dma(0x5000)["outcome"].string == "zero")
  }

  @Test("Memory that is not there is an external abort, with its address")
  func externalAbort() throws {
    let lab = try Lab().furnish()
    try lab.attach("s2")
    try lab.map(0x80_0000, 0x1000, #""physical":"0x1000""#)
    let answer = try lab.dma(0x80_0008)
    #expect(answer["outcome"].string == "aborted")
    #expect(answer["external_abort"].quantity == 0x1008)
    #expect(answer["event"].isNull)
  }

  @Test("A guest's tables in memory that is not there are the host's to know")
  func walkAbort() throws {
    let lab = try Lab()
    var guest = try lab.boot()
    try lab.map(0x80_0000, 0x1000, #""physical":"0x1000""#)
    let leaf = try guest.map(0x1000, Guest.data)
    // The entry of the second level that leads to the leaf's table.
    let entry = leaf & ~0xfff - 0x1000
    try lab.write([0x80_0003], at: entry)
    try lab.invalidate([[0x10, 0]])
    let answer = try lab.dma(0x1000)
    #expect(answer["event"]["name"].string == "F_WALK_EABT")
    #expect(try lab.veventRecords() == [])
    #expect(try lab.unclaimed().map(\.errno) == ["EOPNOTSUPP"])
  }

  // MARK: Requests

  @Test("A dry run touches nothing")
  func dryRun() throws {
    let lab = try Lab().furnish()
    try lab.attach("s2")
    let answer = try lab.post(
      "devices/gpu0/dma?dry_run=true",
      #"{"iova":"\#(hex(Lab.base))","access":"write","data":"ff"}"#)
    #expect(answer.json["outcome"].string == "undecided")
    #expect(try lab.bytes(at: Lab.base, 1) == [0])
  }

  @Test(
    "What is no access is refused",
    arguments: [
      #"{"access":"read"}"#, #"{"iova":"0x0"}"#, #"{"iova":"0x0","access":"peek"}"#,
      #"{"iova":"0x0","access":"read","data":"00"}"#, #"{"iova":"0x0","access":"write","data":""}"#,
      #"{"iova":"0x0","access":"write","data":"0"}"#, #"{"iova":"0x0","access":"read","length":0}"#,
      #"{"iova":"0x0","access":"read","length":1048577}"#,
      #"{"iova":"0x0","access":"write","data":"0000","length":1}"#,
      #"{"iova":"0x0","access":"read","pasid":1048576}"#,
      #"{"iova":"0x0","access":"write","instruction":true}"#,
      #"{"iova":"0x0","access":"read","more":1}"#, "[]", "{",
    ])
  func malformed(_ body: String) throws {
    let lab = try Lab().furnish()
    let answer = try lab.post("devices/gpu0/dma", body)
    #expect([400, 422].contains(answer.status), "\(answer)")
  }

  @Test("Who has no DMA says so")
  func noDMA() throws {
    let lab = try Lab().furnish()
    try lab.make("smmus", #""id":"mock0","driver":"mock""#)
    try lab.make("devices", #""id":"m0","smmu":"mock0","stream_id":1"#)
    let body = #"{"iova":"0x0","access":"read"}"#
    #expect(try lab.post("devices/m0/dma", body).errno == "EOPNOTSUPP")
    #expect(try lab.post("devices/nobody/dma", body).status == 404)
    #expect(try lab.send("GET", "\(lab.prefix)/smmus/mock0/mmio/0x0").errno == "EOPNOTSUPP")
  }
}
