// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import TestSupport
import Testing

@testable import SMMUDriver

/// What the commands of guests' queues do to the SMMU's caches and to devices.
@Suite("A guest's commands act on the SMMU's caches and on its devices") struct CMDQVEffectTests {
  /// Device `gpu0` translates page 0x1000 of a guest with queues.
  private func booted(_ device: String = "", dw1: UInt64 = 0) throws -> (Lab, Guest) {
    let lab = try Lab().furnishQueues(device)
    var guest = Guest(lab)
    try guest.makeContext(0, asid: 5)
    try guest.map(0x1000, Guest.data)
    try lab.makeNested("n0", guest.ste(dw1: dw1))
    try lab.attach("n0")
    return (lab, guest)
  }

  private func physical(_ lab: Lab, _ iova: UInt64 = 0x1000) throws -> UInt64? {
    try lab.dma(iova)["translation"]["physical"].quantity
  }

  @Test(
    "After a guest's TLBI a DMA walks again: what was stale before is right after",
    arguments: [
      (.tlbiNHVA(vmid: 0, asid: 5, address: 0x1000), true),
      (.tlbiNHVA(vmid: 9, asid: 5, address: 0x1000), true), (.tlbiNHASID(vmid: 77, asid: 5), true),
      (.tlbiNHVA(vmid: 0, asid: 5, address: 0x2000), false),
      (.tlbiNHVA(vmid: 0, asid: 6, address: 0x1000), false), (.tlbiNHASID(vmid: 0, asid: 4), false),
    ] as [(Command, Bool)])
  func staleBeforeRightAfter(_ command: Command, _ isRight: Bool) throws {
    var (lab, guest) = try booted()
    let old = try physical(lab)
    try guest.map(0x1000, Guest.data + 0x1000)
    let stale = try lab.dma(0x1000)
    #expect(stale["stale"]["missing"]["name"].string == "TLBI_NH_VA")
    #expect(stale["translation"]["physical"].quantity == old)
    #expect(try lab.submit(command, .sync)["outcome"].string == "done")
    let fresh = try lab.dma(0x1000)
    #expect(fresh["stale"].isNull == isRight)
    #expect(fresh["translation"]["physical"].quantity == old.map { $0 + (isRight ? 0x1000 : 0) })
  }

  @Test("93. A guest's TLBI leaves the other guest's translations, of the same ASID and address")
  func otherGuest() throws {
    var (lab, guest) = try booted()
    try lab.furnishSecond()
    // The tables of the first, in the second's memory, which is at the same addresses.
    let tables = try lab.bytes(at: Lab.base, 0x20_0000)
    let words = stride(from: 0, to: tables.count, by: 8).map { start in
      tables[start..<start + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    try lab.write(words, at: Lab.base, ioas: "ram1")
    let nested =
      #""type":"nested","device":"gpu1","viommu":"v1","ste":\#(hexes(guest.ste()))"#
    try lab.make("domains", #""id":"n1",\#(nested)"#)
    try lab.attach("n1", device: "gpu1")
    try lab.dma(0x1000)
    try lab.dma(0x1000, device: "gpu1")
    let entry = try guest.map(0x1000, Guest.data + 0x1000)
    try lab.write([try guest.read(entry)], at: entry, ioas: "ram1")
    for vmid in UInt16(0)...4 {
      try lab.submit(
        .tlbiNHVA(vmid: vmid, asid: 5, address: 0x1000), .tlbiNHASID(vmid: vmid, asid: 5), .sync)
    }
    #expect(try lab.dma(0x1000)["stale"].isNull)
    #expect(try !lab.dma(0x1000, device: "gpu1")["stale"].isNull)
    try lab.submit(.tlbiNHASID(vmid: 0, asid: 5), to: "r0")
    #expect(try lab.dma(0x1000, device: "gpu1")["stale"].isNull)
  }

  // MARK: Devices

  @Test("92. An ATC_INV by the guest's name for the stream reaches the device")
  func devices() throws {
    let (lab, _) = try booted(#""ats":true"#, dw1: 1 << 28)
    let port = try lab.driver().hardware.smmu.port(66)
    try lab.dma(0x1000)
    #expect(port.atcCount == 1)
    #expect(try lab.submit(Lab.atcInv(0x42))["error"].string == "unmatched_sid")
    #expect(port.atcCount == 1)
    try lab.restartQueue()
    try lab.submit(
      .atcInv(0x10, nil, address: 0x8000, sizeLog2: 0), .sync, to: "q1")
    #expect(port.atcCount == 1)
    try lab.submit(.atcInv(0x10, nil, address: 0x1000, sizeLog2: 0), .sync, to: "q1")
    #expect(port.atcCount == 0)
  }

  @Test("92. With its vdev a stream leaves the slots, and its name matches no more")
  func slotGone() throws {
    let lab = try Lab().furnishQueues()
    #expect(try lab.submit(Lab.atcInv())["outcome"].string == "done")
    try lab.delete("vdevs/vd0")
    #expect(try lab.submit(Lab.atcInv())["error"].string == "unmatched_sid")
    try lab.makeVDev("vd1", virtID: 0x11)
    try lab.restartQueue()
    #expect(try lab.submit(Lab.atcInv(0x11))["outcome"].string == "done")
    #expect(try lab.submit(Lab.atcInv(0x10))["error"].string == "unmatched_sid")
  }

  @Test("A device that does not answer stops the queue at its CMD_SYNC, and nobody else's")
  func timeout() throws {
    let (lab, _) = try booted(#""ats":true"#, dw1: 1 << 28)
    try lab.furnishSecond()
    let port = try lab.driver().hardware.smmu.port(66)
    port.setAnswersInvalidations(false)
    let answer = try lab.submit(Lab.atcInv(), .tlbiNHASID(vmid: 0, asid: 5), .sync, .sync)
    #expect(answer["error"].string == "atc_inv_sync" && answer["cons"].int == 2)
    #expect(try lab.window(0) == 3 << 24 | 2)
    for queue in ["q1", "r0"] {
      #expect(try lab.submit(.sync, to: queue)["outcome"].string == "done")
    }
    // The guest's driver acknowledges and leaves the CMD_SYNC as it is; it is carried out then.
    try lab.setWindow(0x14, lab.window(0x10))
    #expect(try lab.window(0) & 0xf_ffff == 4)
    #expect(try lab.registers("q0")["error"].isNull)
  }

  @Test("A timeout that was not reported yet ends with its queue, and not with the next one's")
  func timeoutAtEnd() throws {
    let (lab, _) = try booted(#""ats":true"#, dw1: 1 << 28)
    try lab.driver().hardware.smmu.port(66).setAnswersInvalidations(false)
    try lab.submit(Lab.atcInv(), to: "q1")
    try lab.delete("hw-queues/q1")
    try lab.driver().hardware.smmu.port(66).setAnswersInvalidations(true)
    try lab.makeRing("q1", 1)
    try lab.enable(1)
    #expect(try lab.submit(.sync, to: "q1")["outcome"].string == "done")
    #expect(try lab.submit(.sync)["outcome"].string == "done")
  }

  // MARK: A guest's driver

  @Test("7.2, 7.4, 7.5. Queues are taken down, set up and used as a guest's driver does it")
  func driverSequences() throws {
    var (lab, guest) = try booted(#""ats":true"#, dw1: 1 << 28)
    for logical in UInt64(0)...1 {
      let page0 = logical * 0x80
      try lab.setWindow(page0 + 8, 0)
      #expect(try lab.window(page0 + 0xc) == 0)
      // The guest's main queue is trapped: its VMM invalidates by the vIOMMU.
      try lab.invalidate([[0x10, 0]])
      try lab.setWindow(page0 + 4, 0)
      try lab.setWindow(page0, 0)
      let gerror = try lab.window(page0 + 0x10)
      if try lab.window(page0 + 0x14) != gerror { try lab.setWindow(page0 + 0x14, gerror) }
      try lab.setWindow(page0 + 8, 1)
      #expect(try lab.window(page0 + 0xc) == 1)
    }
    // A page is unmapped: NH_VA and SYNC, then ATC_INV and SYNC.
    try lab.dma(0x1000)
    try lab.write([0], at: try guest.map(0x1000, Guest.data))
    let sync = Command(dw0: 0x0fc0_0046, dw1: 0)
    try lab.submit(.tlbiNHVA(vmid: 0, asid: 5, address: 0x1000), sync)
    try lab.submit(.atcInv(0x10, nil, address: 0x1000, sizeLog2: 0), sync, to: "q1")
    #expect(try lab.outcome(0x1000) == "aborted")
    #expect(try lab.driver().hardware.smmu.port(66).atcCount == 0)
    // Its address space is not used any more.
    #expect(try lab.submit(.tlbiNHASID(vmid: 0, asid: 5), sync)["outcome"].string == "done")
  }
}
