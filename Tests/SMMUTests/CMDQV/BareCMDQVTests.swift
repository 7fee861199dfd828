// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Testing

/// The extension of an SMMU that no driver runs.
@Suite("A bare SMMU's CMDQV does what its registers say") struct BareCMDQVTests {
  @Test("Brought up by hand it carries commands out, and its interrupt is in the log")
  func byHand() throws {
    let lab = try Lab(
      smmu: #""driver":"arm-smmuv3-bare","cmdqv":{"vintfs":2,"vcmdqs":2,"sids_per_vintf":2}"#)
    try lab.make("ioas", #""id":"ram""#)
    let physical = try #require(lab.map()["physical"].quantity)
    #expect(try lab.cmdqv(0) == 0 && lab.cmdqv(4) == 0x1111)
    // The extension, an interface with VMID 3 and a slot, and its queue.
    try lab.setCMDQV(0, 1)
    try lab.setCMDQV(0x1100, 3 << 1)
    try lab.setCMDQV(0x1100, 3 << 1 | 1)
    try lab.setCMDQV(0x1180, 0x42)
    try lab.setCMDQV(0x1140, 0x10 << 1 | 1)
    try lab.setCMDQV(0x204, 1 << 15 | 1)
    try lab.setCMDQV(0x6_0000, physical | 2, width: 64)
    try lab.setCMDQV(0x5_0008, 1)
    #expect(try lab.cmdqv(0x5_000c) == 1)
    let commands: [Command] = [Lab.atcInv(0x10), .sync, .cfgiSTE(0x10)]
    try lab.write(commands.flatMap(\.words), at: Lab.base)
    try lab.mark()
    try lab.setCMDQV(0x5_0004, 3)
    #expect(try lab.cmdqv(0x5_0000) == 1 << 24 | 2)
    #expect(try lab.cmdqv(0x14) == 2 && lab.cmdqv(0x11c0, width: 64) == 1)
    #expect(try lab.events("smmu.interrupt").map { $0["interrupt"].string } == ["cmdqv"])
    // Nobody takes its vIOMMUs.
    #expect(try lab.events("smmu.cmdqv_error") == [])
  }
}
