// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUHardware
import Testing

/// Errors of queues on their way to the guest: map → interface → vIOMMU → veventq.
@Suite("A guest hears which of its queues stand still") struct CMDQVEventTests {
  /// The maps that a queue has, which are taken out.
  private func maps(_ lab: Lab, _ queue: String = "t0") throws -> [[UInt64]] {
    try lab.get("veventqs/\(queue)/events")["items"].array.map { $0["data"].words }
  }

  private func acknowledge(_ lab: Lab, _ logical: UInt64 = 0) throws {
    let page0 = logical * 0x80
    let cons = try lab.window(page0)
    try lab.write([0x0fc0_0046, 0], at: Lab.rings + logical * 0x1_0000 + (cons & 0xff) * 16)
    try lab.setWindow(page0 + 0x14, lab.window(page0 + 0x10))
  }

  @Test("92. An error is a vEVENT of type tegra241-cmdqv with the two words of the map")
  func forwarded() throws {
    let lab = try Lab().furnishQueues()
    try lab.mark()
    try lab.submit(Lab.atcInv(0x77), to: "q1")
    let items = try lab.get("veventqs/t0/events")["items"]
    #expect(items.array.count == 1 && items[0]["sequence"].int == 0)
    #expect(items[0]["data"].words == [2, 0])
    #expect(try lab.cmdqv(0x14) == 2 && lab.cmdqv(0x18) == 0)
    #expect(try lab.cmdqv(0x24) == 1 << 3 && lab.cmdqv(0x11c0, width: 64) == 2)
    let told = try lab.events("smmu.cmdqv_error")
    #expect(told.count == 1 && told[0]["vintf"].int == 1 && told[0]["viommu"].string == "v0")
    #expect(told[0]["lvcmdq_err_map"].words == [2, 0] && told[0]["forwarded"].bool == true)
    // It is no event of the device's.
    #expect(try lab.veventRecords() == [] && lab.unclaimed().isEmpty)
    try acknowledge(lab, 1)
    #expect(try lab.cmdqv(0x14) == 0 && lab.cmdqv(0x24) == 0 && lab.cmdqv(0x11c0, width: 64) == 0)
    #expect(try maps(lab) == [])
  }

  @Test("113. A second error is a second vEVENT, whatever the map has already")
  func secondError() throws {
    let lab = try Lab().furnishQueues()
    try lab.submit(.cfgiSTE(1))
    // The same bit: acknowledged, it meets the same command.
    try lab.setWindow(0x14, lab.window(0x10))
    #expect(try maps(lab) == [[1, 0], [1, 0]])
    // Another queue's, while the first is active.
    try lab.submit(.cfgiSTE(1), to: "q1")
    #expect(try maps(lab) == [[3, 0]])
    // An error of another kind on a bit that is set.
    try lab.setWindow(8, 0)
    try lab.setCMDQV(0x6_0000, 0, width: 64)
    try lab.setWindow(8, 1)
    #expect(try lab.window(0x10) ^ lab.window(0x14) == 5)
    #expect(try maps(lab) == [[3, 0]])
    // A silent guest hears no more, and floods nobody.
    try lab.submit(.sync)
    #expect(try maps(lab) == [])
  }

  @Test("Each guest hears of its own queues alone")
  func twoGuests() throws {
    let lab = try Lab().furnishQueues()
    try lab.furnishSecond()
    try lab.submit(.cfgiSTE(1), to: "r0")
    #expect(try maps(lab) == [] && maps(lab, "t1") == [[1, 0]])
    try lab.setWindow(8, 0, viommu: "v1")
    try lab.setWindow(0x14, lab.window(0x10, viommu: "v1"), viommu: "v1")
    try lab.submit(.cfgiSTE(1), to: "q1")
    #expect(try maps(lab) == [[2, 0]] && maps(lab, "t1") == [])
  }

  @Test(
    "As in the kernel's handler, who stands still already hears again of itself when another errs")
  func bothStill() throws {
    let lab = try Lab().furnishQueues()
    try lab.furnishSecond()
    try lab.submit(.cfgiSTE(1), to: "r0")
    try lab.submit(.cfgiSTE(1), to: "q1")
    #expect(try maps(lab) == [[2, 0]] && maps(lab, "t1") == [[1, 0], [1, 0]])
  }

  @Test(
    "Without an event queue the log alone has it, and a queue that comes later hears of the next")
  func noQueue() throws {
    let lab = try Lab().furnishQueues()
    try lab.delete("veventqs/t0")
    try lab.mark()
    try lab.submit(.cfgiSTE(1))
    #expect(try lab.events("smmu.cmdqv_error").map { $0["forwarded"].bool } == [false])
    try lab.makeErrorQueue("t0")
    #expect(try maps(lab) == [])
    try lab.setWindow(0x14, lab.window(0x10))
    #expect(try maps(lab) == [[1, 0]])
  }

  @Test("A full queue loses errors as it does records, and says so")
  func overflow() throws {
    let lab = try Lab().furnish(type: "tegra241-cmdqv")
    try lab.makeErrorQueue("t0", depth: 2)
    try lab.makeRing("q0", 0)
    try lab.enable(0)
    try lab.submit(.cfgiSTE(1))
    for _ in 0..<4 { try lab.setWindow(0x14, lab.window(0x10)) }
    let items = try lab.get("veventqs/t0/events")["items"].array
    #expect(items.map { $0["sequence"].int } == [0, 1, 4])
    #expect(items.map { $0["lost_events"].bool } == [false, false, true])
  }

  @Test("114. An error of an interface that no vIOMMU has is nobody's")
  func noVIOMMU() throws {
    let lab = try Lab().furnishQueues()
    // The host's registers alone: interface 3 is enabled by hand and has the guest's queue 3.
    try lab.setCMDQV(0x1300, 5 << 1)
    try lab.setCMDQV(0x1300, 5 << 1 | 1)
    try lab.setCMDQV(0x218, 3 << 15 | 1)
    try lab.mark()
    try lab.setCMDQV(0x9_0008, 1)
    #expect(try lab.cmdqv(0x9_0010) == 4 && lab.cmdqv(0x14) == 8)
    let told = try lab.events("smmu.cmdqv_error")
    #expect(told.count == 1 && told[0]["vintf"].int == 3 && told[0]["viommu"].isNull)
    #expect(told[0]["forwarded"].bool == false)
    #expect(try maps(lab) == [])
  }

  @Test("96. Logical queue 64 is bit 0 of the map's second word")
  func secondWord() throws {
    let lab = try Lab(smmu: #""cmdqv":{"vintfs":2,"vcmdqs":128,"sids_per_vintf":1}"#)
      .furnish(type: "tegra241-cmdqv")
    try lab.makeErrorQueue("t0")
    for index in 0..<64 {
      try lab.makeRing("q\(index)", index, iova: Lab.rings + UInt64(index) * 32, length: 32)
    }
    try lab.submit(.sync, to: "q63")
    try lab.setWindow(63 * 0x80 + 8, 1)
    #expect(try lab.registers("q63")["cons"].int == 1)
    // Drivers share queues out evenly, so that one is lent from the kernel's own.
    try lab.setCMDQV(0x200, 1 << 15 | 64 << 1 | 1)
    try lab.setWindow(64 * 0x80 + 4, 1)
    #expect(try maps(lab) == [[0, 1]])
    try lab.setWindow(63 * 0x80 + 4, 2)
    #expect(try lab.window(63 * 0x80) == 0 || lab.window(63 * 0x80) != 1)
    #expect(try maps(lab) == [[1 << 63, 1]])
    #expect(try lab.get("viommus/v0")["registers"]["lvcmdq_err_map"].words == [1 << 63, 1])
  }

  @Test("A masked interface is quiet, and the error is told when the mask goes")
  func mask() throws {
    let lab = try Lab().furnishQueues()
    try lab.setCMDQV(0x1c, 2)
    try lab.submit(.cfgiSTE(1))
    try lab.setWindow(0x14, lab.window(0x10))
    #expect(try maps(lab) == [])
    try lab.setCMDQV(0x1c, 0)
    #expect(try maps(lab) == [[1, 0]])
  }

  @Test("An error of the kernel's own queue is skipped by the kernel")
  func ownQueue() throws {
    let lab = try Lab().furnishQueues()
    // The ring is of zeros, and opcode 0 is none.
    try lab.mark()
    try lab.setCMDQV(0x3_0004, 1)
    #expect(try lab.cmdqv(0x3_0000) & 0xf_ffff == 1)
    #expect(try lab.cmdqv(0x3_0010) == lab.cmdqv(0x3_0014) && lab.cmdqv(0x14) == 0)
    let told = try lab.events("smmu.cmdqv_error")
    #expect(told.count == 1 && told[0]["vintf"].int == 0 && told[0]["viommu"].isNull)
    #expect(try maps(lab) == [])
    // The next one too.
    try lab.setCMDQV(0x3_0004, 3)
    #expect(try lab.cmdqv(0x3_0000) & 0xf_ffff == 3)
  }
}
