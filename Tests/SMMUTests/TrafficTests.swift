// SPDX-License-Identifier: Apache-2.0
import Glibc
import TestSupport
import Testing

/// Devices that access memory by themselves, while the control plane changes what they go through.
///
/// One after the other: the threads are counted for all hosts together.
@Suite("Traffic runs beside everything else", .serialized) struct TrafficTests {
  private static let body =
    #"{"seed":"0x7","targets":[{"iova":"\#(hex(Lab.base))","length":"0x10000"}]}"#

  /// Waits for something that comes to be, for as long as no machine should need for it.
  private func eventually(
    _ claim: String, _ location: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
  ) throws {
    let end = ContinuousClock.now + .seconds(60)
    while try !condition() {
      if ContinuousClock.now > end {
        Issue.record("never: \(claim)", sourceLocation: location)
        return
      }
      sched_yield()
    }
  }

  private func count(_ lab: Lab, _ name: String, device: String = "gpu0") throws -> Int {
    try #require(lab.get("devices/\(device)/traffic")[name].int)
  }

  private func grows(
    _ lab: Lab, _ name: String, _ location: SourceLocation = #_sourceLocation
  ) throws {
    let before = try count(lab, name)
    try eventually("\(name) grows", location) { try count(lab, name) > before }
  }

  private func start(_ lab: Lab, _ body: String = TrafficTests.body) throws {
    let answer = try lab.put("devices/gpu0/traffic", body)
    try #require(answer.status == 200, "\(answer)")
  }

  @Test("It starts, counts, and stops")
  func life() throws {
    let lab = try Lab().plug()
    try lab.attach(ioas: "ram")
    #expect(try lab.send("GET", "\(lab.prefix)/devices/gpu0/traffic").status == 404)
    let answer = try lab.put("devices/gpu0/traffic", Self.body)
    #expect(answer.status == 200, "\(answer)")
    #expect(answer.json["running"].bool == true && answer.json["seed"].quantity == 7)
    #expect(answer.json["write_percent"].int == 50 && answer.json["length"].int == 8)
    try grows(lab, "done")
    #expect(try count(lab, "faulted") == 0 && count(lab, "stale") == 0)
    #expect(try lab.delete("devices/gpu0/traffic").status == 200)
    #expect(try lab.send("GET", "\(lab.prefix)/devices/gpu0/traffic").status == 404)
    #expect(try lab.delete("devices/gpu0/traffic").status == 200)
  }

  @Test("At a rate it makes as many as it should, and other settings take its place")
  func rate() throws {
    let lab = try Lab().plug()
    try lab.attach(ioas: "ram")
    let targets = #""targets":[{"iova":"\#(hex(Lab.base))","length":"0x1000"}]"#
    try start(lab, #"{"rate":100000,"write_percent":0,"length":64,\#(targets)}"#)
    try grows(lab, "done")
    try start(lab, #"{"rate":1,"write_percent":100,\#(targets)}"#)
    try eventually("the first access") { try count(lab, "accesses") == 1 }
    #expect(try lab.get("devices/gpu0/traffic")["rate"].int == 1)
  }

  @Test("Faults are counted, and end with the mapping that was missing")
  func faults() throws {
    let lab = try Lab().furnish()
    try start(lab)
    try grows(lab, "faulted")
    #expect(try lab.unclaimed().isEmpty)
    try lab.attach("s2")
    try grows(lab, "done")
    try lab.unmap()
    try grows(lab, "faulted")
    try lab.map()
    try grows(lab, "done")
    try checkNothingStale(lab)
    try lab.detach()
    try grows(lab, "faulted")
  }

  /// While the driver is at it, what the tables said a moment ago may still be used; when it has
  /// answered, no more.
  private func checkNothingStale(
    _ lab: Lab, _ claim: String = "", _ location: SourceLocation = #_sourceLocation
  ) throws {
    // The batch that was under way, and the counts of it.
    let start = try count(lab, "accesses")
    try eventually("two batches", location) { try count(lab, "accesses") > start + 512 }
    let (stale, accesses) = (try count(lab, "stale"), try count(lab, "accesses"))
    try eventually("two more", location) { try count(lab, "accesses") > accesses + 512 }
    #expect(try count(lab, "stale") == stale, "\(claim)", sourceLocation: location)
  }

  @Test("With everything changing under it nothing stays stale", arguments: [false, true])
  func changes(_ ats: Bool) throws {
    let lab = try Lab().furnish(#""ats":\#(ats),"pasid_bits":1"#)
    var guest = Guest(lab)
    try guest.makeContext()
    // What comes and goes, for the guest at the same addresses as for everybody else.
    let (iova, length) = (UInt64(0x80_0000), UInt64(0x3000))
    for page in stride(from: iova, to: iova + length, by: 0x1000) { try guest.map(page, page) }
    try lab.makeNested("n0", guest.ste(dw1: ats ? 1 << 28 : 0))
    try lab.makeNested("b0", [9, 0])
    try lab.makePaging("p", #""pasid":true"#)
    try lab.map(iova, length)
    try start(lab, #"{"targets":[{"iova":"0x800000","length":"0x3000"}]}"#)
    for round in 0..<30 {
      for domain in ["s2", "n0", "b0", "p"] {
        try lab.attach(domain)
        if round % 15 == 0 { try checkNothingStale(lab, domain) }
        try lab.unmap(iova, length)
        if round % 15 == 0 { try checkNothingStale(lab, "\(domain), unmapped") }
        try lab.map(iova, length)
      }
      if round % 5 == 0 { try lab.detach() }
    }
    try lab.attach("p")
    try grows(lab, "done")
    #expect(try lab.events("smmu.global_error") == [])
  }

  @Test("A guest that forgets to invalidate is found out by traffic")
  func staleGuest() throws {
    let lab = try Lab()
    var guest = try lab.boot()
    try start(lab, #"{"targets":[{"iova":"0x1000","length":"0x1000"}]}"#)
    try grows(lab, "done")
    try guest.map(0x1000, Guest.data + 0x1000)
    try grows(lab, "stale")
    // The log says it once, however often it is used.
    try grows(lab, "stale")
    let used = try lab.events("smmu.stale_translation_used")
    #expect(used.count == 1 && used.first?["missing"]["name"].string == "TLBI_NH_VA")
    try lab.invalidate([[0x10, 0]])
    try eventually("no more of them") {
      let before = try count(lab, "stale")
      try grows(lab, "done")
      return try count(lab, "stale") == before
    }
  }

  @Test("Stalled traffic is resumed")
  func stalls() throws {
    let lab = try Lab().plug(#""stall":true"#)
    try lab.make("fault-queues", #""id":"f0""#)
    try lab.makePaging("d", #""fault_queue":"f0""#)
    try lab.attach("d")
    try start(lab, #"{"targets":[{"iova":"0x0","length":"0x1000"}]}"#)
    try grows(lab, "stalled")
    try lab.map(0, 0x1000)
    try eventually("all are answered") {
      for item in try lab.get("fault-queues/f0/faults")["items"].array {
        let cookie = item["cookie"].int ?? 0
        try lab.post(
          "fault-queues/f0/responses",
          #"{"responses":[{"cookie":\#(cookie),"code":"success"}]}"#)
      }
      return try lab.stallCount() == 0
    }
    try grows(lab, "done")
  }

  @Test(
    "It ends with its device, its context and its host", arguments: ["delete", "unplug", "context"])
  func end(_ way: String) throws {
    let lab = try Lab().plug()
    try lab.attach(ioas: "ram")
    try start(lab)
    try grows(lab, "done")
    switch way {
    case "delete": #expect(try lab.delete("devices/gpu0?cascade=true").status == 200)
    case "unplug": #expect(try lab.post("devices/gpu0/unplug").status == 200)
    default: #expect(try lab.delete("contexts/default?cascade=true").status == 200)
    }
    #expect(try lab.send("GET", "\(lab.prefix)/devices/gpu0/traffic").status == 404)
    // A new device of the name sends nothing.
    try lab.make("contexts", way == "context" ? #""id":"default""# : #""id":"other""#)
    try lab.makeDevice("gpu0", stream: 66)
    #expect(try lab.send("GET", "\(lab.prefix)/devices/gpu0/traffic").status == 404)
  }

  @Test("A reset and a batch that fails leave no traffic")
  func undone() throws {
    let lab = try Lab().plug()
    #expect(try lab.put("devices/gpu0/traffic?dry_run=true", Self.body).status == 200)
    #expect(try lab.send("GET", "\(lab.prefix)/devices/gpu0/traffic").status == 404)
    let batch = """
      {"operations":[{"method":"PUT","path":"\(lab.prefix)/devices/gpu0/traffic",\
      "body":\(Self.body)},{"method":"DELETE","path":"\(lab.prefix)/ioas/none"}]}
      """
    #expect(try lab.post("batch", batch).status == 404)
    #expect(try lab.send("GET", "\(lab.prefix)/devices/gpu0/traffic").status == 404)
    try start(lab)
    #expect(try lab.post("reset").status == 200)
    #expect(try lab.send("GET", "\(lab.prefix)/devices/gpu0/traffic").status == 404)
  }

  @Test("A device that takes a deleted one's name in a batch sends only what it was told to")
  func successor() throws {
    let lab = try Lab().plug()
    let device = "\(lab.prefix)/devices/gpu0"
    let replace = """
      {"method":"DELETE","path":"\(device)"},{"method":"PUT","path":"\(device)",\
      "body":{"smmu":"smmu0","stream_id":66}}
      """
    let start = #"{"method":"PUT","path":"\#(device)/traffic","body":\#(Self.body)}"#
    try self.start(lab)
    #expect(try lab.post("batch", #"{"operations":[\#(replace),\#(start)]}"#).status == 200)
    try grows(lab, "accesses")
    // What fails changes nothing, not even for a while.
    let failing = #"{"method":"DELETE","path":"\#(lab.prefix)/ioas/none"}"#
    #expect(try lab.post("batch", #"{"operations":[\#(replace),\#(failing)]}"#).status == 404)
    try grows(lab, "accesses")
    #expect(try lab.post("batch", #"{"operations":[\#(replace)]}"#).status == 200)
    #expect(try lab.send("GET", "\(device)/traffic").status == 404)
  }

  @Test("There is an end to the threads, and those that stop make room")
  func limit() throws {
    let lab = try Lab()
    let slow = #"{"rate":1,"targets":[{"iova":"0x0","length":"0x1000"}]}"#
    var started = 0
    var refusal: Answer?
    while started <= 128, refusal == nil {
      try lab.makeDevice("d\(started)", stream: started)
      let answer = try lab.put("devices/d\(started)/traffic", slow)
      if answer.status == 200 { started += 1 } else { refusal = answer }
    }
    #expect(started <= 128)
    #expect(refusal?.errno == "ENOSPC" && refusal?.json["code"].string == "exhausted")
    // In the place of other traffic there is always room.
    #expect(try lab.put("devices/d0/traffic", slow).status == 200)
    for number in 0..<started {
      #expect(try lab.delete("devices/d\(number)/traffic").status == 200)
    }
    #expect(try lab.put("devices/d0/traffic", slow).status == 200)
  }

  @Test(
    "What is no traffic is refused",
    arguments: [
      "{}", #"{"targets":[]}"#, #"{"targets":[{}]}"#, #"{"targets":[{"iova":0,"length":7}]}"#,
      #"{"targets":[{"iova":"0xffffffffffffffff","length":8}]}"#,
      #"{"targets":[{"iova":0,"length":4096}],"rate":0}"#,
      #"{"targets":[{"iova":0,"length":4096}],"length":0}"#,
      #"{"targets":[{"iova":0,"length":4096}],"length":4097}"#,
      #"{"targets":[{"iova":0,"length":4096}],"write_percent":101}"#,
      #"{"targets":[{"iova":0,"length":4096}],"pasids":[1048576]}"#,
      #"{"targets":[{"iova":0,"length":4096}],"pasids":["x"]}"#,
      #"{"targets":[{"iova":0,"length":4096,"x":1}]}"#, "[]", "{",
    ])
  func refused(_ body: String) throws {
    let lab = try Lab().plug()
    #expect([400, 422].contains(try lab.put("devices/gpu0/traffic", body).status))
  }

  @Test("The widest target, the longest access, and every PASID in turn")
  func extremes() throws {
    let lab = try Lab().plug(#""pasid_bits":2"#)
    try start(
      lab,
      #"{"length":4096,"pasids":[0,1,3,1048575],"targets":[{"iova":0,"length":"0xffffffffffffffff"}]}"#
    )
    try grows(lab, "faulted")
  }
}
