// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import TestSupport
import Testing

/// hw-queues: which may be made, what the hardware has of them, and how they end.
@Suite("A hw-queue is a queue of the hardware's, with its ring in the guest's memory")
struct CMDQVQueueTests {
  private func ready() throws -> Lab { try Lab().furnish(type: "tegra241-cmdqv") }

  @Test("88, 89. Queues come in ascending order and go in descending order")
  func order() throws {
    let lab = try ready()
    #expect(try lab.tryRing("q1", 1).errno == "EIO")
    #expect(try lab.tryRing("q2", 2).errno == "EINVAL")
    try lab.makeRing("q0", 0)
    #expect(try lab.tryRing("x", 0).errno == "EEXIST")
    try lab.makeRing("q1", 1)
    #expect(try lab.tryRing("x", 1).errno == "EEXIST")
    #expect(try lab.cmdqv(0x1104) >> 16 & 0xff == 2)
    #expect(try lab.delete("hw-queues/q0").errno == "EBUSY")
    #expect(try lab.delete("viommus/v0").errno == "EBUSY")
    #expect(try lab.delete("hw-queues/q1").status == 200)
    #expect(try lab.cmdqv(0x208) & 1 == 1 && lab.cmdqv(0x20c) & 1 == 0)
    #expect(try lab.delete("hw-queues/q0").status == 200)
    #expect(try lab.cmdqv(0x208) & 1 == 0)
  }

  @Test(
    "90. A ring has a power of two of bytes, at least two commands and no more than the SMMU's",
    arguments: [
      (48, "EINVAL"), (16, "EINVAL"), (8, "EINVAL"), (24, "EINVAL"), (0x3000, "EINVAL"),
      (32, nil), (64, nil), (0x1000, nil), (0x8000, nil), (0x1_0000, "EINVAL"),
    ] as [(UInt64, String?)])
  func lengths(_ length: UInt64, _ errno: String?) throws {
    // 2^11 entries of 16 bytes.
    let lab = try Lab(#""cmdqs":11"#).furnish(type: "tegra241-cmdqv")
    #expect(try lab.tryRing("q0", 0, length: length).errno == errno)
    guard errno == nil else { return }
    let registers = try lab.registers("q0")
    #expect(registers["log2_size"].int == length.trailingZeroBitCount - 4)
    #expect(registers["base"].quantity.map { $0 & 0x1f } == UInt64(length.trailingZeroBitCount - 4))
  }

  @Test("90. A ring is aligned to its length, and its memory stays while it is there")
  func placement() throws {
    let lab = try ready()
    let physical = try #require(lab.get("ioas/ram/mappings")["items"][0]["physical"].quantity)
    #expect(physical % 0x2000 == 0)
    #expect(try lab.tryRing("q0", 0, iova: Lab.rings + 0x1000, length: 0x2000).errno == "EINVAL")
    #expect(try lab.tryRing("q0", 0, iova: Lab.rings + 0x10, length: 0x20).errno == "EINVAL")
    #expect(try lab.tryRing("q0", 0, iova: 0x10_0000).errno == "ENOENT")
    // The memory is looked at first, whatever the index.
    #expect(try lab.tryRing("q0", 9, iova: 0x10_0000).errno == "ENOENT")
    try lab.makeRing("q0", 0, iova: Lab.rings + 0x20, length: 0x20)
    #expect(
      try lab.registers("q0")["base"].quantity == physical + Lab.rings - Lab.base + 0x20 | 1)
    let unmap = #"{"iova":"\#(hex(Lab.base))","length":"\#(hex(Lab.size))"}"#
    #expect(try lab.post("ioas/ram/unmap", unmap).errno == "EBUSY")
    try lab.delete("hw-queues/q0")
    #expect(try lab.post("ioas/ram/unmap", unmap).status == 200)
  }

  @Test("A ring across two mappings must be one piece of the machine's memory")
  func contiguity() throws {
    let lab = try Lab()
    try lab.makeDevice("gpu0", stream: 66)
    try lab.make("ioas", #""id":"ram""#)
    for (iova, physical) in [
      (0x1000, 0x10_0000), (0x2000, 0x10_1000), (0x3000, 0x10_0000),
    ] as [(UInt64, UInt64)] {
      try lab.map(iova, 0x1000, #""physical":"\#(hex(0x8000_0000 + physical))""#)
    }
    try lab.makeParent("s2")
    try lab.make(
      "viommus", #""id":"v0","type":"tegra241-cmdqv","device":"gpu0","domain":"s2""#)
    #expect(try lab.tryRing("q0", 0, iova: 0x2000, length: 0x2000).errno == "EFAULT")
    // Its address is not its length's multiple, but the memory's is.
    #expect(try lab.tryRing("q0", 0, iova: 0x1000, length: 0x2000).errno == nil)
  }

  @Test("What the hardware has of a queue is shown, raw and decoded")
  func registers() throws {
    let lab = try ready()
    try lab.makeRing("q0", 0, length: 0x80)
    var shown = try lab.registers("q0")
    #expect(shown["cmdq_alloc"].quantity == 0x8001 && shown["mapped"].bool == true)
    #expect(shown["enabled"].bool == false && shown["enable_ok"].bool == false)
    try lab.enable(0)
    for _ in 0..<6 { try lab.submit(.sync) }
    try lab.submit(.cfgiSTE(0x10))
    shown = try lab.registers("q0")
    let page0: UInt64 = 0x5_0000
    for (name, offset) in [
      ("cons_indx", UInt64(0)), ("prod_indx", 4), ("config", 8), ("status", 0xc), ("gerror", 0x10),
      ("gerrorn", 0x14),
    ] {
      #expect(try shown[name].quantity == lab.cmdqv(page0 + offset), "\(name)")
      #expect(try shown[name].quantity == lab.window(offset), "\(name)")
      // The global page says the same of the same queue.
      #expect(try shown[name].quantity == lab.cmdqv(0x1_0100 + offset), "\(name)")
    }
    #expect(try shown["base"].quantity == lab.cmdqv(0x6_0000, width: 64))
    #expect(try shown["cons_indx_base_dram"].quantity == lab.cmdqv(0x6_0008, width: 64))
    #expect(shown["prod"].int == 7 && shown["cons"].int == 6 && shown["error"].string == "illegal")
    #expect(shown["cons_indx"].quantity == 1 << 24 | 6)
    #expect(shown["commands"].int == 6 && shown["errors"].int == 1)
    let interface = try lab.get("viommus/v0")["registers"]
    #expect(interface["lvcmdq_err_map"].words == [1, 0])
    // ENABLE_OK, STATUS 1, one queue.
    #expect(interface["vintf_status"].quantity == 0x1_0003 && interface["status"].int == 1)
  }

  @Test("115. The end of a queue is one bare CMD_SYNC on the SMMU's own queue, with the driver's")
  func syncAtEnd() throws {
    let lab = try Lab().plug()
    try lab.makeParent("s2")
    try lab.mark()
    try lab.make("viommus", #""id":"v0","type":"tegra241-cmdqv","device":"gpu0","domain":"s2""#)
    #expect(try lab.names() == [])
    // Its creation begins as its end does.
    try lab.makeRing("q0", 0)
    #expect(try lab.names() == ["SYNC", "SYNC"])
    try lab.mark()
    try lab.delete("hw-queues/q0")
    #expect(try lab.names() == ["SYNC", "SYNC"])
    #expect(try lab.commands() == [[0x46, 0], [0x46, 0]])
    try lab.mark()
    try lab.delete("viommus/v0")
    // Its interface has no queue any more.
    #expect(try lab.names() == [])
  }

  @Test("119. A queue has two IDs, and its destruction frees both")
  func identifiers() throws {
    let lab = try ready()
    let id = try #require(try lab.makeRing("q0", 0)["object_id"].int)
    let next = try #require(try lab.makeRing("q1", 1)["object_id"].int)
    #expect(next == id + 2)
    var argument = Little()
    argument.u32(8, UInt32(id + 1))
    #expect(try lab.ioctl(0x3b80, argument.text).json["errno"].string == "EBUSY")
    try lab.delete("hw-queues/q1")
    try lab.delete("hw-queues/q0")
    #expect(try lab.make("ioas", #""id":"a""#)["object_id"].int == id)
    #expect(try lab.make("ioas", #""id":"b""#)["object_id"].int == id + 1)
  }

  @Test("A ring is the hardware's from its creation on: what was in its memory is not carried out")
  func oldIndices() throws {
    let lab = try ready()
    try lab.makeRing("q0", 0)
    try lab.enable(0)
    for _ in 0..<3 { try lab.submit(.sync) }
    try lab.submit(.cfgiSTE(0x10))
    try lab.delete("hw-queues/q0")
    try lab.makeRing("q0", 0)
    let shown = try lab.registers("q0")
    #expect(shown["prod_indx"].quantity == 0 && shown["cons_indx"].quantity == 0)
    #expect(shown["error"].isNull && shown["gerror"] == shown["gerrorn"])
    try lab.enable(0)
    #expect(try lab.registers("q0")["cons"].int == 0)
    #expect(try lab.submit(.sync)["cons"].int == 1)
  }
}
