// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import TestSupport
import Testing

@testable import SMMUDriver

/// Queues with a thread of their own.
@Suite("A queue that runs by itself answers at once, and tells the log")
struct CMDQVAsyncTests {
  private func ready() throws -> Lab { try Lab().furnishQueues(execution: "async") }

  @Test("The answer says what was posted, the log what was done")
  func progress() throws {
    let lab = try ready()
    #expect(try lab.get("hw-queues/q0")["execution"].string == "async")
    try lab.mark()
    let answer = try lab.submit(Lab.atcInv(), .sync)
    #expect(answer["prod"].int == 2 && answer["enabled"].bool == true)
    #expect(answer["commands"].array.isEmpty && answer["refused"].int == 0)
    let ran = try lab.progress("q0", cons: 2)
    #expect(ran["prod"].int == 2 && ran["error"].isNull)
    #expect(try lab.window(0) == 2)
    #expect(try lab.registers("q0")["commands"].int == 2)
    // Both queues, many times.
    for round in 1...20 {
      try lab.submit(.tlbiNHASID(vmid: 0, asid: 1), .sync, to: "q0")
      try lab.submit(.tlbiNHASID(vmid: 0, asid: 1), .sync, .sync, to: "q1")
      try lab.progress("q0", cons: 2 + 2 * round)
      try lab.progress("q1", cons: 3 * round)
    }
    let told = try lab.events().filter { $0["object"]["id"].string == "q1" }
    #expect(told.compactMap { $0["data"]["commands"].int }.reduce(0, +) == 60)
  }

  @Test("PROD written through the window is a doorbell, and so is the queue's enabling")
  func doorbells() throws {
    let lab = try ready()
    try lab.mark()
    try lab.write(Command.sync.words, at: Lab.rings)
    try lab.setWindow(4, 1)
    try lab.progress("q0", cons: 1)
    try lab.setWindow(8, 0)
    #expect(try lab.submit(.sync)["enabled"].bool == false)
    #expect(try lab.window(0) == 1)
    try lab.setWindow(8, 1)
    try lab.progress("q0", cons: 2)
  }

  @Test("94. Its errors come to the guest, and its acknowledgement has it go on")
  func errors() throws {
    let lab = try ready()
    try lab.mark()
    try lab.submit(.sync, .cfgiSTE(1), .sync)
    let ran = try lab.progress("q0", cons: 1)
    #expect(ran["error"].string == "illegal" && ran["prod"].int == 3)
    #expect(try lab.event("smmu.cmdqv_error")["forwarded"].bool == true)
    #expect(try lab.get("veventqs/t0/events")["items"][0]["data"].words == [1, 0])
    try lab.submit(.sync, to: "q1")
    try lab.progress("q1", cons: 1)
    #expect(try lab.window(0) == 1 << 24 | 1)
    try lab.write(Command.sync.words, at: Lab.rings + 16)
    try lab.setWindow(0x14, lab.window(0x10))
    try lab.progress("q0", cons: 3)
  }

  @Test("After its TLBI a DMA walks again")
  func effects() throws {
    let lab = try ready()
    var guest = Guest(lab)
    try guest.makeContext()
    try guest.map(0x1000, Guest.data)
    try lab.makeNested("n0", guest.ste())
    try lab.attach("n0")
    try lab.dma(0x1000)
    try guest.map(0x1000, Guest.data + 0x1000)
    #expect(try !lab.dma(0x1000)["stale"].isNull)
    try lab.mark()
    try lab.submit(.tlbiNHVA(vmid: 0, asid: 5, address: 0x1000), .sync)
    try lab.progress("q0", cons: 2)
    #expect(try lab.dma(0x1000)["stale"].isNull)
  }

  @Test("A full ring is refused until the queue has made room")
  func room() throws {
    let lab = try Lab().furnish(type: "tegra241-cmdqv")
    try lab.makeRing("q0", 0, length: 0x40, execution: "async")
    try lab.submit(.sync, .sync, .sync, .sync)
    #expect(try lab.trySubmit([.sync]).errno == "ENOSPC")
    try lab.mark()
    try lab.setWindow(8, 1)
    try lab.progress("q0", cons: 4)
    #expect(try lab.trySubmit([.sync]).status == 200)
    try lab.progress("q0", cons: 5)
  }

  // MARK: The end

  /// A ring full of work.
  private func load(_ lab: Lab) throws {
    let work = Array(repeating: Command.tlbiNHASID(vmid: 0, asid: 1), count: 256)
    for queue in ["q0", "q1"] { _ = try lab.trySubmit(work, to: queue) }
  }

  @Test("97. What ends a queue ends its thread, and the registers are as of no queue")
  func teardown() throws {
    let lab = try ready()
    for _ in 0..<20 {
      try load(lab)
      #expect(try lab.delete("viommus/v0?cascade=true").status == 200)
      for register in stride(from: UInt64(0), to: 0x10, by: 4) {
        #expect(try lab.cmdqv(0x1_0100 + register) == 0)
      }
      #expect(try lab.cmdqv(0x208) == 0x8000 && lab.cmdqv(0x1100) == 0)
      try lab.mark()
      try lab.make(
        "viommus", #""id":"v0","type":"tegra241-cmdqv","device":"gpu0","domain":"s2""#)
      for index in 0...1 {
        try lab.makeRing("q\(index)", index, execution: "async")
        try lab.enable(index)
      }
      // Nothing of the old ones' is carried out or told any more.
      #expect(try lab.events("hw-queue.ran") == [])
      #expect(try lab.registers("q0")["cons"].int == 0)
    }
  }

  @Test("An SMMU that goes takes the threads of its guests' queues along")
  func smmuGone() throws {
    let lab = try ready()
    try load(lab)
    #expect(lab.places.count == 2)
    #expect(try lab.delete("smmus/smmu0?cascade=true").status == 200)
    #expect(lab.places.count == 0)
  }

  @Test("Reset and deletion of the host leave no thread, and nothing in the log")
  func hostGone() throws {
    let fresh = try Lab().names()
    for _ in 0..<10 {
      let lab = try ready()
      try load(lab)
      #expect(try lab.post("reset").status == 200)
      lab.unmark()
      #expect(lab.places.count == 0)
      #expect(try lab.get("hw-queues")["items"].array.isEmpty)
      // What the fresh host's driver has told its hardware, and nothing of the old one's end.
      #expect(try lab.events().first?["type"].string == "host.reset")
      #expect(try lab.names() == fresh)
      #expect(try lab.events("hw-queue.ran") == [] && lab.events("smmu.ste_written") == [])
      try lab.furnishQueues(execution: "async")
      try load(lab)
      #expect(try lab.send("DELETE", lab.prefix).status == 200)
      #expect(lab.places.count == 0)
    }
  }

  @Test("There are no more threads than there may be, and a refused or tried one takes no place")
  func limit() throws {
    let lab = try Lab(threads: 2).furnishQueues(execution: "async")
    try lab.makeDevice("gpu1", stream: 67)
    try lab.make("viommus", #""id":"v1","type":"tegra241-cmdqv","device":"gpu1","domain":"s2""#)
    func ring(_ length: UInt64, _ execution: String) throws -> Answer {
      try lab.tryRing(
        "r0", 0, iova: Lab.rings + 0x2_0000, length: length, viommu: "v1", execution: execution)
    }
    #expect(try ring(32, "async").errno == "ENOSPC")
    #expect(try ring(32, "sync").status == 201)
    try lab.delete("hw-queues/r0")
    try lab.delete("hw-queues/q1")
    let tried =
      #"{"viommu":"v1","type":"tegra241-cmdqv","index":0,"length":32,"execution":"async","#
      + #""iova":"\#(TestSupport.hex(Lab.rings))"}"#
    for _ in 0..<3 {
      #expect(try lab.post("hw-queues?dry_run=true", tried).status == 201)
      #expect(try ring(48, "async").errno == "EINVAL")
    }
    #expect(lab.places.count == 1)
    #expect(try ring(32, "async").status == 201)
    #expect(lab.places.count == 2)
  }
}
