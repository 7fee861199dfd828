// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import TestSupport
import Testing

/// Transactions that wait for the answer to a page fault.
@Suite("Stalled accesses wait for their answer") struct StallTests {
  private static let hole: UInt64 = 0x80_0000

  /// A device that stalls, on a domain with a fault queue `f0`.
  private func lab(_ features: String = "", withQueue: Bool = true) throws -> Lab {
    let lab = try Lab(features).plug(#""stall":true,"pasid_bits":2"#)
    try lab.make("fault-queues", #""id":"f0""#)
    try lab.makePaging("d", #""pasid":true"# + (withQueue ? #","fault_queue":"f0""# : ""))
    try lab.attach("d")
    try lab.mark()
    return lab
  }

  /// The one fault that waits to be read, and its cookie.
  private func fault(_ lab: Lab) throws -> (fault: JSON, cookie: Int) {
    let items = try lab.get("fault-queues/f0/faults")["items"].array
    try #require(items.count == 1, "\(items)")
    return (items[0]["faults"][0], try #require(items[0]["cookie"].int))
  }

  private func respond(_ lab: Lab, _ cookie: Int, _ code: String) throws {
    let answer = try lab.post(
      "fault-queues/f0/responses", #"{"responses":[{"cookie":\#(cookie),"code":"\#(code)"}]}"#)
    try #require(answer.status == 200, "\(answer)")
  }

  private func answers(_ lab: Lab) throws -> [String] {
    try lab.events("smmu.stall_answered").compactMap { $0["outcome"].string }
  }

  @Test("Mapped and answered, the access is made again and done", arguments: [nil, 1] as [Int?])
  func retry(_ pasid: Int?) throws {
    let lab = try lab()
    if let pasid { try lab.attach("d", pasid: pasid) }
    let more = pasid.map { #","pasid":\#($0)"# } ?? ""
    let answer = try lab.dma(Self.hole + 8, "write", #""data":"c0ffee""# + more)
    #expect(answer["outcome"].string == "stalled" && answer["event"]["stalled"].bool == true)
    let (fault, cookie) = try fault(lab)
    #expect(fault["address"].quantity == Self.hole + 8)
    #expect(fault["write"].bool == true && fault["read"].bool == false)
    #expect(fault["group"].int == answer["stag"].int && fault["pasid"].int == pasid)
    try lab.map(Self.hole, 0x1000)
    try lab.mark()
    try respond(lab, cookie, "success")
    #expect(try answers(lab) == ["retry", "retry done"])
    let stag = UInt64(answer["stag"].int ?? 0)
    #expect(try lab.commands() == [[0x0000_0042_0000_1044, stag]])
    #expect(try lab.bytes(at: Self.hole + 8, 3) == [0xc0, 0xff, 0xee])
    #expect(try lab.unclaimed().isEmpty)
  }

  @Test("Answered and not mapped, the access stalls again")
  func stallsAgain() throws {
    let lab = try lab()
    try lab.dma(Self.hole)
    try respond(lab, try fault(lab).cookie, "success")
    #expect(try answers(lab) == ["retry", "retry stalled"])
    try respond(lab, try fault(lab).cookie, "invalid")
    #expect(try answers(lab).last == "abort")
    #expect(try lab.names() == ["RESUME", "RESUME"])
  }

  @Test("Refused, the access is aborted")
  func abort() throws {
    let lab = try lab()
    try lab.dma(Self.hole)
    try respond(lab, try fault(lab).cookie, "invalid")
    #expect(try answers(lab) == ["abort"])
    #expect(try lab.commands().map { $0[0] } == [0x0000_0042_0000_2044])
  }

  @Test("58. A detach answers what waits, read or not, once", arguments: [true, false])
  func detach(_ isRead: Bool) throws {
    let lab = try lab()
    try lab.dma(Self.hole)
    try lab.dma(Self.hole + 0x1000)
    let cookie = isRead ? try lab.get("fault-queues/f0/faults")["items"][0]["cookie"].int : nil
    try lab.detach()
    #expect(try answers(lab) == ["abort", "abort"])
    #expect(try lab.get("fault-queues/f0/faults")["items"].array.isEmpty)
    if let cookie {
      let answer = try lab.post(
        "fault-queues/f0/responses", #"{"responses":[{"cookie":\#(cookie),"code":"success"}]}"#)
      #expect(answer.status >= 400)
    }
    #expect(try answers(lab).count == 2)
  }

  @Test("An unplugged device's stalls end")
  func unplug() throws {
    let lab = try lab()
    try lab.dma(Self.hole)
    #expect(try lab.post("devices/gpu0/unplug").status == 200)
    #expect(try answers(lab) == ["abort"])
    #expect(try lab.stallCount() == 0)
  }

  @Test("Without a fault queue the driver has it aborted")
  func unanswerable() throws {
    let lab = try lab(withQueue: false)
    let answer = try lab.dma(Self.hole)
    #expect(answer["outcome"].string == "aborted")
    #expect(try lab.unclaimed().map(\.errno) == ["EINVAL"])
    #expect(try lab.names() == ["RESUME"])
    #expect(try answers(lab) == ["abort"])
    #expect(try lab.stallCount() == 0)
  }

  @Test("44. A stall is a page fault, whichever stage met it")
  func nested() throws {
    let lab = try Lab().furnish(#""stall":true"#)
    try lab.make("fault-queues", #""id":"f0""#)
    var guest = Guest(lab)
    try guest.makeContext { $0.s = true }
    try guest.map(0x1000, 0x9000_0000)
    let answer = try lab.post(
      "domains",
      #"{"id":"n0","type":"nested","device":"gpu0","viommu":"v0","fault_queue":"f0","ste":\#(hexes(guest.ste()))}"#
    )
    #expect(answer.status == 201)
    try lab.attach("n0")
    for (iova, isStage2) in [(0x1000, true), (0x5000, false)] as [(UInt64, Bool)] {
      let answer = try lab.dma(iova)
      #expect(answer["outcome"].string == "stalled")
      #expect(answer["event"]["stage2"].bool == isStage2)
      let (fault, cookie) = try fault(lab)
      #expect(fault["address"].quantity == iova)
      try respond(lab, cookie, "invalid")
    }
    #expect(try lab.veventRecords() == [])
    #expect(try lab.unclaimed().isEmpty)
  }

  @Test("A guest that is not to stall does not: S1STALLD, and a device that cannot")
  func noStall() throws {
    for device in ["true", "false"] {
      let lab = try Lab()
      var guest = try lab.furnish(#""stall":\#(device)"#).nestedGuest { $0.s = true }
      try guest.map(0x1000, Guest.data)
      try lab.makeNested("n0", guest.ste(dw1: 1 << 27))
      try lab.attach("n0")
      #expect(try lab.outcome(0x5000) == "aborted")
      #expect(try lab.veventRecords().count == 1)
    }
  }

  @Test("An SMMU that never stalls is told nothing about stalls")
  func terminateOnly() throws {
    let lab = try Lab(#""stall_model":1"#).furnish(#""stall":true"#)
    try lab.attach("s2")
    #expect(try lab.outcome(Self.hole) == "aborted")
    #expect(try lab.entry()[1] & 1 << 27 == 0)
    #expect(try lab.post("devices/gpu0/unplug").status == 200)
    #expect(try lab.events("smmu.global_error") == [])
  }

  @Test("An SMMU that must stall does, whatever the device can")
  func forced() throws {
    let lab = try Lab(#""stall_model":2"#).plug()
    try lab.make("fault-queues", #""id":"f0""#)
    try lab.makePaging("d", #""fault_queue":"f0""#)
    try lab.attach("d")
    #expect(try lab.outcome(Self.hole) == "stalled")
    try respond(lab, try fault(lab).cookie, "invalid")
  }

  @Test("A page request of a device is answered by the API's response, not by a RESUME")
  func pageRequest() throws {
    let lab = try Lab().plug(#""pri":true"#)
    try lab.make("fault-queues", #""id":"f0""#)
    try lab.makePaging("d", #""fault_queue":"f0""#)
    try lab.attach("d")
    try lab.mark()
    #expect(
      try lab.post("devices/gpu0/page-requests", #"{"pages":[{"address":"0x1000"}],"group":7}"#)
        .json["fault_queue"].string == "f0")
    try respond(lab, try fault(lab).cookie, "success")
    #expect(try lab.names() == [])
    let responses = try lab.events("smmu.page_response")
    #expect(responses.map { $0["group"].int } == [7])
    #expect(responses.map { $0["stream_id"].int } == [66])
  }
}

extension Lab {
  /// A guest with one context and nothing attached yet.
  func nestedGuest(_ change: (inout ContextDescriptor) -> Void = { _ in }) throws -> Guest {
    var guest = Guest(self)
    try guest.makeContext(0, asid: 5, change)
    return guest
  }
}
