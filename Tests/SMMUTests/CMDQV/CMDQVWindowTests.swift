// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import TestSupport
import Testing

/// `/viommus/{id}/mmio`: page 0 of an interface, which a guest has mapped.
@Suite("A window shows a guest its own queues' registers and nothing else")
struct CMDQVWindowTests {
  private func refused(_ lab: Lab, _ place: String) throws -> String? {
    try lab.send("GET", "\(lab.prefix)/viommus/v0/mmio/\(place)").errno
  }

  /// All registers of the CMDQV but those of one guest's two pages and of its queues' global ones.
  private func others(_ lab: Lab) throws -> [UInt64: UInt64] {
    var values: [UInt64: UInt64] = [:]
    for offset in stride(from: UInt64(0), to: 0x5000, by: 4) {
      // What a queue's state shows up in: maps, and the interface's status.
      if (0x14..<0x34).contains(offset) || (0x1100..<0x1200).contains(offset) { continue }
      values[offset] = try lab.cmdqv(offset)
    }
    for page in [UInt64(0x1_0000), 0x2_0000] {
      for queue in UInt64(0)..<8 where queue != 2 && queue != 3 {
        for register in stride(from: UInt64(0), to: 0x18, by: 4) {
          let offset = page + 0x80 * queue + register
          values[offset] = try lab.cmdqv(offset)
        }
      }
    }
    return values
  }

  @Test("Whatever is written to a window, what is not the guest's stays as it was")
  func isolation() throws {
    let lab = try Lab().furnishQueues()
    try lab.furnishSecond()
    let before = try others(lab)
    let bases = [2, 3].map { 0x2_0000 + 0x80 * UInt64($0) }
    let held = try bases.map { try lab.cmdqv($0, width: 64) }
    for value in [UInt64(0xffff_ffff), 1, 0, 0x8001, 7] {
      for offset in stride(from: UInt64(0), to: 0x1_0000, by: 4) where offset % 0x80 < 0x20 {
        try lab.setWindow(offset, value)
      }
    }
    #expect(try others(lab) == before)
    // Not even where its own rings are.
    #expect(try bases.map { try lab.cmdqv($0, width: 64) } == held)
    #expect(try lab.submit(.sync, to: "r0")["outcome"].string == "done")
  }

  @Test("A window's registers are those of the interface's page 0 and of the global page")
  func aliases() throws {
    let lab = try Lab().furnishQueues()
    try lab.submit(.sync, .sync, to: "q1")
    for register in stride(from: UInt64(0), to: 0x80, by: 4) {
      let seen = try lab.window(0x80 + register)
      #expect(try seen == lab.cmdqv(0x5_0080 + register))
      #expect(try seen == lab.cmdqv(0x1_0180 + register))
    }
    #expect(try lab.window(0x80) == 2 && lab.window(0x84) == 2)
    // A write through one is seen through the others.
    try lab.setCMDQV(0x5_0088, 0)
    #expect(try lab.window(0x88) == 0 && lab.window(0x8c) == 0)
    try lab.setWindow(0x88, 1)
    #expect(try lab.cmdqv(0x1_0188) == 1 && lab.cmdqv(0x1_018c) == 1)
    // CONS is the queue's while that is enabled.
    try lab.setWindow(0x80, 1)
    #expect(try lab.window(0x80) == 2)
    // Read-only, and reserved.
    for offset in [UInt64(0x8c), 0x90, 0x98, 0xfc] {
      let value = try lab.window(offset)
      try lab.setWindow(offset, 0xffff_ffff)
      #expect(try lab.window(offset) == value)
    }
  }

  @Test("A window takes aligned accesses of 32 bits within its page")
  func accesses() throws {
    let lab = try Lab().furnishQueues()
    for place in [
      "0x10000", "0x1fffc", "0xffffffffffffffff", "0x100000004", "0x2", "0x81", "0x0?width=64",
      "0x8?width=64", "0x10000?width=64",
    ] {
      #expect(try refused(lab, place) == "EINVAL", "\(place)")
      let path = "viommus/v0/mmio/\(place)"
      #expect(try lab.put(path, #"{"value":"0x1"}"#).errno == "EINVAL", "\(place)")
    }
    #expect(try refused(lab, "0xfffc") == nil)
    #expect(try lab.window(0xfffc) == 0)
    #expect(try lab.put("viommus/v0/mmio/0x4", #"{"value":"0x100000000"}"#).status == 422)
    #expect(try lab.put("viommus/v0/mmio/0x4", #"{}"#).status == 422)
    #expect(try lab.send("GET", "\(lab.prefix)/viommus/none/mmio/0x0").status == 404)
  }

  @Test(
    "87. What a context has mapped of the window shows the same registers, and holds the vIOMMU")
  func mapping() throws {
    let lab = try Lab().furnish(type: "tegra241-cmdqv")
    try lab.makeRing("q0", 0)
    try lab.enable(0)
    let window = #""offset":"0x1000","length":"0x10000""#
    for (more, errno) in [
      (#""shared":false"#, "EINVAL"), (#""executable":true"#, "EPERM"),
    ] {
      let body = "{\(window),\(more)}"
      #expect(try lab.post("contexts/default/mmaps", body).errno == errno, "\(more)")
    }
    let other = #"{"offset":"0x2000","length":"0x10000"}"#
    #expect(try lab.post("contexts/default/mmaps", other).errno == "ENXIO")
    #expect(try lab.post("contexts/default/mmaps", "{\(window)}").status < 300)
    try lab.submit(.sync, .sync)
    for offset in [UInt64(0), 4, 8, 0xc] {
      let seen = try lab.get("contexts/default/mmaps/1/\(hex(offset))")["value"].quantity
      #expect(try seen == lab.window(offset), "\(hex(offset))")
    }
    for path in ["hw-queues/q0", "vdevs/vd0", "veventqs/e0"] { try lab.delete(path) }
    #expect(try lab.delete("viommus/v0").errno == "EBUSY")
    #expect(try lab.delete("contexts/default/mmaps/1").status == 200)
    #expect(try lab.delete("viommus/v0").status == 200)
  }

  @Test("A vIOMMU without an interface has no window")
  func noWindow() throws {
    let lab = try Lab().furnish()
    #expect(try refused(lab, "0x0") == "EOPNOTSUPP")
    #expect(try lab.put("viommus/v0/mmio/0x4", #"{"value":1}"#).errno == "EOPNOTSUPP")
    #expect(try lab.get("viommus/v0")["registers"].isNull)
  }

  @Test("A logical queue that is not mapped reads as zero and is not written")
  func unmapped() throws {
    let lab = try Lab().furnish(type: "tegra241-cmdqv")
    try lab.makeRing("q0", 0)
    for offset in [UInt64(0x84), 0x88, 0x104, 0x3f88] {
      try lab.setWindow(offset, 1)
      #expect(try lab.window(offset) == 0)
    }
    try lab.makeRing("q1", 1)
    #expect(try lab.window(0x84) == 0 && lab.window(0x88) == 0)
    try lab.enable(1)
    try lab.delete("hw-queues/q1")
    #expect(try lab.window(0x88) == 0)
    // The global page has it still, and it was left switched off.
    #expect(try lab.cmdqv(0x1_0188) == 0)
  }

  @Test("A tried write changes nothing, a repeated one happens once, and a batch is all or none")
  func ways() throws {
    let lab = try Lab().furnish(type: "tegra241-cmdqv")
    try lab.makeRing("q0", 0)
    #expect(try lab.put("viommus/v0/mmio/0x8?dry_run=true", #"{"value":1}"#).status == 200)
    #expect(try lab.window(8) == 0)
    let write = #"{"method":"PUT","path":"\#(lab.prefix)/viommus/v0/mmio/0x8","body":{"value":1}}"#
    let wrong = #"{"method":"DELETE","path":"\#(lab.prefix)/ioas/none"}"#
    #expect(
      try lab.send("POST", "\(lab.prefix)/batch", #"{"operations":[\#(write),\#(wrong)]}"#)
        .status >= 400)
    #expect(try lab.window(8) == 0)
    #expect(
      try lab.send("POST", "\(lab.prefix)/batch", #"{"operations":[\#(write)]}"#).status == 200)
    #expect(try lab.window(8) == 1)
    let key = "once"
    _ = try lab.put("viommus/v0/mmio/0x8", #"{"value":0}"#, key: key)
    try lab.setWindow(8, 1)
    let again = try lab.put("viommus/v0/mmio/0x8", #"{"value":0}"#, key: key)
    #expect(try again.status == 200 && lab.window(8) == 1)
  }

  @Test("A tag is of the registers too")
  func tags() throws {
    let lab = try Lab().furnishQueues()
    for path in ["hw-queues/q0", "viommus/v0"] {
      let tag = try #require(try lab.tag(path))
      #expect(try lab.tag(path) == tag)
      #expect(try lab.send("GET", "\(lab.prefix)/\(path)", unless: tag).status == 304)
      try lab.submit(.cfgiSTE(0x10))
      #expect(try lab.tag(path) != tag, "\(path)")
      #expect(try lab.send("GET", "\(lab.prefix)/\(path)", unless: tag).status == 200)
      try lab.restartQueue()
    }
  }
}
