// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import TestSupport
import Testing

/// `POST /hw-queues/{id}/submit`.
@Suite("Commands are posted as the guest posts them, and the answer says what became of them")
struct CMDQVSubmitTests {
  /// The bytes of commands, as the ring has them.
  private func bytes(_ commands: [Command]) -> [UInt8] {
    commands.flatMap(\.words).flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
  }

  private func submitRaw(_ lab: Lab, _ bytes: [UInt8], _ query: String = "") throws -> Answer {
    try lab.send(
      "POST", "\(lab.prefix)/hw-queues/q0/submit\(query)", bytes: bytes,
      type: "application/octet-stream")
  }

  private func ring(_ lab: Lab, _ index: UInt64, count: Int = 16) throws -> [UInt8] {
    try lab.bytes(at: Lab.rings + index * 16, count)
  }

  // MARK: What becomes of commands

  @Test("92, 93. VMIDs become the interface's and stream IDs the host's; the rest stays")
  func rewriting() throws {
    let lab = try Lab().furnishQueues()
    let vmid = try #require(lab.get("viommus/v0")["registers"]["vmid"].quantity)
    let cases: [(Command, Command)] = [
      (
        .tlbiNHVA(vmid: 9, asid: 5, address: 0x1000),
        .tlbiNHVA(
          vmid: UInt16(vmid), asid: 5, address: 0x1000)
      ),
      (.tlbiNHASID(vmid: 0xffff, asid: 0xffff), .tlbiNHASID(vmid: UInt16(vmid), asid: 0xffff)),
      (.tlbiNHASID(vmid: 0, asid: 0), .tlbiNHASID(vmid: UInt16(vmid), asid: 0)),
      (Lab.atcInv(0x10), Lab.atcInv(0x42)), (.sync, .sync),
      (Command(dw0: 0x0fc0_0046, dw1: 0), Command(dw0: 0x0fc0_0046, dw1: 0)),
    ]
    for (index, (guest, executed)) in cases.enumerated() {
      let answer = try lab.submit(guest)
      let told = answer["commands"][0]
      #expect(told["index"].int == index)
      #expect(told["guest"]["words"].words == guest.words)
      #expect(told["executed"]["words"].words == executed.words)
      #expect(told["executed"]["name"] == told["guest"]["name"])
      #expect(told["error"].isNull)
      #expect(answer["outcome"].string == "done" && answer["executed"].int == 1)
      #expect(answer["prod"].int == index + 1 && answer["cons"].int == index + 1)
      // The ring has what the guest wrote.
      #expect(try ring(lab, UInt64(index)) == bytes([guest]))
    }
  }

  /// Commands, and why a guest's queue stops at them.
  private static let refusals: [(Command, String, UInt64)] = [
    (.cfgiSTE(0x10), "illegal", 1), (.cfgiCD(0x10, 0), "illegal", 1), (.cfgiAll, "illegal", 1),
    (.cfgiCDAll(0x10), "illegal", 1), (.tlbiNHAll(vmid: 1), "illegal", 1),
    (.tlbiNHVAA(vmid: 1, address: 0x1000), "illegal", 1), (.tlbiNSNHAll, "illegal", 1),
    (.tlbiEL2All, "illegal", 1), (.tlbiS12VMAll(vmid: 1), "illegal", 1),
    (.tlbiS2IPA(vmid: 1, address: 0), "illegal", 1),
    (.resume(0x10, stag: 1, response: 0), "illegal", 1), (.stallTerm(0x10), "illegal", 1),
    (Command(dw0: 0x7f, dw1: 0), "illegal", 1), (Command(dw0: 0, dw1: 0), "illegal", 1),
    // CS 1, 2 and 3.
    (.sync(messageAddress: 0, data: 0), "illegal", 1), (Command(dw0: 0x2046, dw1: 0), "illegal", 1),
    (Command(dw0: 0x3046, dw1: 0), "illegal", 1),
    // SSec.
    (Command(dw0: 0x446, dw1: 0), "illegal", 1), (Command(dw0: 0x411, dw1: 0), "illegal", 1),
    (Lab.atcInv(0x42), "unmatched_sid", 4), (Lab.atcInv(0x11), "unmatched_sid", 4),
    (Lab.atcInv(0x10_0010), "unmatched_sid", 4), (Lab.atcInv(.max), "unmatched_sid", 4),
  ]

  @Test("94. What is not a guest's stops its queue there, and the others run on")
  func refusals() throws {
    let lab = try Lab().furnishQueues()
    try lab.furnishSecond()
    for (number, (command, error, code)) in Self.refusals.enumerated() {
      let answer = try lab.submit(.sync, command, .sync)
      let cons = UInt64(3 * number + 1) & 0x1ff
      #expect(answer["outcome"].string == "stopped" && answer["error"].string == error)
      #expect(answer["cons"].quantity == cons && answer["pending"].int == 2, "\(command)")
      #expect(answer["executed"].int == 1 && answer["refused"].int == 1)
      #expect(answer["commands"].array.count == 2)
      let told = answer["commands"][1]
      #expect(told["executed"].isNull && told["error"].string == error)
      #expect(told["guest"]["words"].words == command.words)
      #expect(try lab.window(0) == cons | code << 24)
      let (gerror, gerrorn) = try (lab.window(0x10), lab.window(0x14))
      #expect(gerror ^ gerrorn == 1)
      // More of its commands wait; other queues and guests are served.
      #expect(try lab.window(4) == cons + 2)
      #expect(try lab.submit(.sync, to: "q1")["outcome"].string == "done")
      #expect(try lab.submit(.sync, to: "r0")["outcome"].string == "done")
      #expect(try lab.window(0) == cons | code << 24)
      // As the guest's driver does it: a CMD_SYNC in its place, then the acknowledgement.
      try lab.write(Command(dw0: 0x0fc0_0046, dw1: 0).words, at: Lab.rings + (cons & 0xff) * 16)
      try lab.setWindow(0x14, gerror)
      #expect(try lab.window(0) & 0xf_ffff == cons + 2)
      #expect(try lab.registers("q0")["error"].isNull)
    }
  }

  @Test("7.6. An acknowledgement alone meets the same command, and the same error, again")
  func acknowledgement() throws {
    let lab = try Lab().furnishQueues()
    try lab.submit(.cfgiSTE(0x10))
    for _ in 0..<3 {
      let gerror = try lab.window(0x10)
      try lab.setWindow(0x14, gerror)
      #expect(try lab.window(0x10) ^ gerror == 1 && lab.window(0) == 1 << 24)
    }
    #expect(try lab.registers("q0")["errors"].int == 4)
    // A guest that gives up on the command takes the queue back and begins anew.
    try lab.restartQueue()
    #expect(try lab.submit(.sync)["outcome"].string == "done")
  }

  @Test("98. A queue that is enabled without a ring reports that, and runs nothing")
  func noBase() throws {
    let lab = try Lab().furnish(type: "tegra241-cmdqv")
    try lab.makeRing("q0", 0)
    try lab.setCMDQV(0x6_0000, 0, width: 64)
    try lab.setWindow(8, 1)
    #expect(try lab.window(0xc) == 0)
    #expect(try lab.window(0x10) ^ lab.window(0x14) == 4)
    let shown = try lab.registers("q0")
    #expect(shown["enabled"].bool == true && shown["enable_ok"].bool == false)
    #expect(shown["error"].string == "initialisation")
    #expect(try lab.submit(.sync)["outcome"].string == "stopped")
  }

  @Test("A ring behind the machine's memory cannot be fetched from")
  func fetchAbort() throws {
    let lab = try Lab().furnishQueues()
    try lab.setCMDQV(0x6_0000, 0xf000_0000_0000 | 8, width: 64)
    let answer = try lab.submit(.sync)
    #expect(answer["error"].string == "fetch_abort" && answer["cons"].int == 0)
    #expect(try lab.window(0) == 2 << 24)
    #expect(answer["commands"][0]["error"].string == "fetch_abort")
  }

  // MARK: How they are said

  @Test("Commands are said by name, by words, or as the ring's bytes, and mean the same")
  func spellings() throws {
    let lab = try Lab().furnishQueues()
    let named = try lab.post(
      "hw-queues/q0/submit",
      #"{"commands":[{"name":"TLBI_NH_VA","fields":{"vmid":9,"asid":5,"address":"0x1000"}},"#
        + #"{"words":["0x46","0x0"]},["0x4000000010",70]]}"#)
    // An unnamed opcode 0x10 is none of a guest's: two are carried out.
    #expect(named.status == 200, "\(named)")
    #expect(named.json["executed"].int == 2 && named.json["refused"].int == 1)
    let words = named.json["commands"].array.map { $0["guest"]["words"].words }
    let other = try Lab().furnishQueues()
    let raw = try submitRaw(other, bytes(words.map { Command(dw0: $0[0], dw1: $0[1]) }))
    #expect(raw.status == 200, "\(raw)")
    #expect(raw.json["commands"] == named.json["commands"])
    #expect(try ring(other, 0, count: 48) == ring(lab, 0, count: 48))
  }

  @Test("What is no command is refused, and nothing is written")
  func malformed() throws {
    let lab = try Lab().furnishQueues()
    for body in [
      #"{}"#, #"{"commands":[]}"#, #"{"commands":[[1]]}"#, #"{"commands":[{"name":"NONE"}]}"#,
      #"{"commands":[[0,0],null]}"#, #"{"commands":[["0x46",0]],"more":1}"#,
    ] {
      #expect(try lab.post("hw-queues/q0/submit", body).status == 422, "\(body)")
    }
    for count in [0, 1, 15, 17] {
      #expect(try submitRaw(lab, Array(repeating: 0x46, count: count)).status >= 400, "\(count)")
    }
    #expect(try submitRaw(lab, bytes([.sync]), "?describe=-1").status >= 400)
    #expect(try lab.post("hw-queues/none/submit", #"{"commands":[[70,0]]}"#).status == 404)
    #expect(try lab.window(4) == 0)
  }

  @Test("A full ring is one request, around its end as well, and one more is refused")
  func fullRing() throws {
    let lab = try Lab().furnish(type: "tegra241-cmdqv")
    try lab.makeRing("q0", 0, length: 0x100)
    try lab.enable(0)
    let full = (0..<16).map { Command.tlbiNHASID(vmid: 0, asid: UInt16($0)) }
    for (round, cons) in [16, 21, 5, 21].enumerated() {
      if round == 1 {
        try lab.submit(.sync, .sync, .sync, .sync, .sync)
        continue
      }
      let answer = try submitRaw(lab, bytes(full))
      #expect(answer.json["executed"].int == 16 && answer.json["cons"].int == cons, "\(answer)")
    }
    let before = try ring(lab, 0, count: 256)
    let more = try submitRaw(lab, bytes([.sync] + full))
    #expect(more.errno == "ENOSPC")
    #expect(try lab.window(4) == 21 && ring(lab, 0, count: 256) == before)
  }

  @Test("Where the queue stands there is as much room as its ring has, and no more")
  func room() throws {
    let lab = try Lab().furnish(type: "tegra241-cmdqv")
    try lab.makeRing("q0", 0, length: 0x40)
    // It is not enabled: commands wait for that.
    let waiting = try lab.submit(.sync, .sync, .sync)
    #expect(waiting["outcome"].string == "pending" && waiting["enabled"].bool == false)
    #expect(waiting["pending"].int == 3 && waiting["commands"].array.isEmpty)
    #expect(try lab.trySubmit([.sync, .sync]).errno == "ENOSPC")
    try lab.submit(.cfgiSTE(1))
    #expect(try lab.trySubmit([.sync]).errno == "ENOSPC")
    #expect(try lab.window(4) == 4)
    try lab.mark()
    try lab.setWindow(8, 1)
    #expect(try lab.window(0) == 3 | 1 << 24)
    // What the window's write had the queue do is in the log.
    let ran = try lab.events("hw-queue.ran")
    #expect(ran.count == 1 && ran[0]["commands"].int == 3 && ran[0]["error"].string == "illegal")
    #expect(try lab.trySubmit([.sync, .sync, .sync]).status == 200)
    #expect(try lab.trySubmit([.sync]).errno == "ENOSPC")
  }

  @Test("The greatest ring is filled by one request, and as many commands are told as asked for")
  func greatestRing() throws {
    let lab = try Lab(#""cmdqs":16"#).furnish(type: "tegra241-cmdqv")
    try lab.makeRing("q0", 0, length: 0x10_0000)
    try lab.enable(0)
    let all = bytes(Array(repeating: .tlbiNHVA(vmid: 0, asid: 1, address: 0x1000), count: 1 << 16))
    for (query, count) in [("", 1000), ("?describe=0", 0), ("?describe=65536", 65536)] {
      let answer = try submitRaw(lab, all, query).json
      #expect(answer["executed"].int == 65536 && answer["outcome"].string == "done")
      #expect(answer["commands"].array.count == count)
    }
    #expect(try lab.registers("q0")["commands"].int == 3 * 65536)
  }

  // MARK: Trying, repeating, many at once

  @Test("A tried submission is refused as a real one would be, and writes nothing")
  func dryRun() throws {
    let lab = try Lab().furnishQueues()
    let before = try ring(lab, 0)
    let answer = try lab.trySubmit([.sync], "?dry_run=true")
    #expect(answer.status == 200 && answer.json["outcome"].string == "undecided")
    #expect(try lab.window(4) == 0 && ring(lab, 0) == before)
    let many = Array(repeating: Command.sync, count: 257)
    #expect(try lab.trySubmit(many, "?dry_run=true").errno == "ENOSPC")
    // No room was kept for it.
    #expect(try lab.trySubmit(Array(many.dropLast())).status == 200)
  }

  @Test("A batch's submissions share the ring's room, and are all carried out or none")
  func batch() throws {
    let lab = try Lab().furnish(type: "tegra241-cmdqv")
    try lab.makeRing("q0", 0, length: 0x40)
    try lab.enable(0)
    func operation(_ count: Int) -> String {
      let commands = Array(repeating: #"["0x46",0]"#, count: count).joined(separator: ",")
      return #"{"method":"POST","path":"\#(lab.prefix)/hw-queues/q0/submit","#
        + #""body":{"commands":[\#(commands)]}}"#
    }
    let tooMany = try lab.post("batch", #"{"operations":[\#(operation(3)),\#(operation(2))]}"#)
    #expect(tooMany.errno == "ENOSPC", "\(tooMany)")
    #expect(try lab.window(4) == 0)
    for round in 1...3 {
      let answer = try lab.post("batch", #"{"operations":[\#(operation(3)),\#(operation(1))]}"#)
      #expect(answer.status == 200, "\(answer)")
      #expect(try lab.window(0) == UInt64(4 * round) & 7)
    }
    // A queue that the batch makes is not enabled yet, and its commands wait.
    let ring =
      #""viommu":"v0","type":"tegra241-cmdqv","index":1,"length":64,"#
      + #""iova":"\#(hex(Lab.rings + 0x1_0000))""#
    let made = try lab.post(
      "batch",
      #"{"operations":[{"method":"POST","path":"\#(lab.prefix)/hw-queues","#
        + #""body":{"id":"q1",\#(ring)}},"#
        + operation(4).replacing("q0", with: "q1") + "]}")
    #expect(made.status == 200, "\(made)")
    #expect(try lab.window(0x84) == 4 && lab.window(0x80) == 0)
  }

  @Test("A submission under a key is carried out once")
  func repeated() throws {
    let lab = try Lab().furnishQueues()
    let body = #"{"commands":[["0x46",0]]}"#
    let first = try lab.send("POST", "hw-queues/q0/submit", body, key: "k")
    let again = try lab.send("POST", "hw-queues/q0/submit", body, key: "k")
    #expect(first.status == 200 && again.body == first.body)
    #expect(try lab.window(4) == 1)
    #expect(
      try lab.send("POST", "hw-queues/q0/submit", #"{"commands":[["0x46",1]]}"#, key: "k").status
        == 422)
  }
}
