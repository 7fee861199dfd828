// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import IOMMUHardware
@testable import SMMUDriver

/// Devices with ATS: when it is on, and what they are told.
@Suite("ATS is on while the entry lets it, and the device is told of changes") struct ATSTests {
  private static let invalidateAll: [UInt64] = [0x0000_0042_0000_0040, 52]

  private func isOn(_ lab: Lab) throws -> Bool {
    try lab.driver().hardware.smmu.port(66).isATSOn
  }

  @Test("41. A guest's EATS switches ATS, off before the entry and on behind it")
  func guestSwitch() throws {
    let lab = try Lab().furnish(#""ats":true"#)
    try lab.makeNested("on", [0x4000_000b, 1 << 28])
    try lab.makeNested("off", [0x4000_000b, 0])
    let driver = try lab.driver()
    var during: [Bool] = []
    driver.programmer.testHooks.betweenEntryAndVMaster = {
      during.append(driver.hardware.smmu.port(66).isATSOn)
    }
    try lab.attach("on")
    #expect(try isOn(lab) && during == [false])
    #expect(try lab.entry()[1] >> 28 & 3 == 1)
    try lab.mark()
    try lab.attach("off")
    #expect(try !isOn(lab) && during == [false, false])
    #expect(try lab.entry()[1] >> 28 & 3 == 0)
    #expect(try lab.commands().contains(Self.invalidateAll))
    driver.programmer.testHooks.betweenEntryAndVMaster = nil
  }

  /// Attachments, whether ATS is on with them, and whether the device is told of the change.
  @Test("Each kind of attachment has ATS as Linux has it")
  func kinds() throws {
    let lab = try Lab().furnish(#""ats":true"#)
    try lab.makeNested("nested", [0x4000_000b, 1 << 28])
    try lab.makeNested("plain", [0x4000_000b, 0])
    try lab.makeNested("bypass", [9, 0])
    // An abort has PCI ATS on although its entry denies it.
    try lab.makeNested("abort", [1, 0])
    var wasOn = false
    for (domain, expected) in [
      ("s2", true), ("nested", true), ("plain", false), ("bypass", true), ("abort", true),
      ("plain", false), ("s2", true),
    ] {
      try lab.mark()
      try lab.attach(domain)
      #expect(try lab.get("devices/gpu0")["hardware"]["ats_enabled"].bool == expected, "\(domain)")
      #expect(try isOn(lab) == expected, "\(domain)")
      #expect(
        try lab.commands().contains(Self.invalidateAll) == (wasOn || expected), "\(domain)")
      wasOn = expected
    }
    try lab.detach()
    #expect(try !isOn(lab))
  }

  @Test("41. No ATS without the device's or the SMMU's")
  func neither() throws {
    for (features, device) in [(#""ats":false"#, "true"), ("", "false")] {
      let lab = try Lab(features).furnish(#""ats":\#(device)"#)
      try lab.makeNested("n0", [0x4000_000b, 1 << 28])
      try lab.attach("n0")
      #expect(try lab.entry()[1] >> 28 & 3 == 0)
      #expect(try !isOn(lab))
      #expect(try !lab.names().contains("ATC_INV"))
    }
  }

  @Test("A device keeps what it was told, and a request by request device asks each time")
  func caching() throws {
    let lab = try Lab()
    try lab.boot(#""ats":true"#, dw1: 1 << 28)
    try lab.dma(0x1000, "write", #""data":"11""#)
    #expect(try lab.driver().hardware.smmu.port(66).atcCount == 1)
    #expect(try lab.dma(0x1000, "read", #""length":1,"ats":true"#)["data"].string == "11")
    #expect(try lab.driver().hardware.smmu.port(66).atcCount == 1)
    try lab.invalidate([[0x0000_0010_0000_0040, 52]])
    #expect(try lab.driver().hardware.smmu.port(66).atcCount == 0)
  }

  @Test("What is asked for by ATS is not exceeded, and each page is asked for")
  func byRequest() throws {
    let lab = try Lab()
    var guest = try lab.boot(#""ats":true"#, dw1: 1 << 28)
    try guest.map(0x2000, Guest.data + 0x8000)
    try guest.map(0x3000, Guest.data, attributes: Guest.page | Guest.readOnly)
    #expect(try lab.outcome(0x1ffe, "write", #""data":"01020304","ats":true"#) == "done")
    #expect(try lab.bytes(at: Guest.data + 0x8000, 2) == [3, 4])
    #expect(
      try lab.dma(0x1ffe, "read", #""length":4,"ats":true"#)["data"].string == "01020304")
    #expect(try lab.outcome(0x3000, "read", #""ats":true"#) == "done")
    for access in ["write", "atomic"] {
      #expect(try lab.outcome(0x3000, access, #""ats":true"#) == "aborted")
    }
    // A request that finds nothing is no error of anybody's.
    #expect(try lab.outcome(0x5000, "read", #""ats":true"#) == "aborted")
    #expect(try lab.veventRecords() == [])
    #expect(try lab.unclaimed().isEmpty)
  }

  @Test("84. Requests of a stream without EATS are refused, and the host hears of it")
  func refused() throws {
    let lab = try Lab()
    try lab.boot()
    let answer = try lab.dma(0x1000, "read", #""ats":true"#)
    #expect(answer["outcome"].string == "unsupported_request")
    #expect(answer["event"]["name"].string == "F_BAD_ATS_TREQ")
    #expect(answer["event"]["recorded"].bool == true)
    #expect(try lab.unclaimed().map { $0.words[0] & 0xff } == [0x05])
    #expect(try lab.veventRecords() == [])
  }

  @Test("A device that does not answer invalidations does not stop the driver")
  func timeout() throws {
    let lab = try Lab()
    try lab.boot(#""ats":true"#, dw1: 1 << 28)
    let port = try lab.driver().hardware.smmu.port(66)
    port.setAnswersInvalidations(false)
    try lab.mark()
    try lab.invalidate([[0x0000_0010_0000_0040, 52], [0x10, 0]])
    #expect(try !lab.events("smmu.global_error").isEmpty)
    port.setAnswersInvalidations(true)
    #expect(try lab.register(0x60) == lab.register(0x64))
    // All was carried out in the end.
    #expect(try lab.register(0x98) & 0x1ff == lab.register(0x9c) & 0x1ff)
    try lab.attach("s2")
    #expect(try lab.outcome(Lab.base) == "done")
  }

  @Test("122. GET_HW_INFO says when there is no ATS", arguments: [true, false])
  func information(_ ats: Bool) throws {
    let lab = try Lab().plug(#""ats":\#(ats)"#)
    let id = try #require(lab.get("devices/gpu0")["object_id"].int)
    // struct iommu_hw_info with no room for data.
    var argument = Little()
    argument.u32(40, 0, UInt32(id), 0)
    argument.u64(0)
    argument.u32(0, 0)
    argument.u64(0)
    let answer = try lab.ioctl(0x3b8a, argument.text)
    #expect(answer.status == 200, "\(answer)")
    let capabilities = Little.u32(of: answer.json["argument"].string, at: 32)
    #expect(capabilities.map { $0 & 8 == 0 } == ats)
  }
}

extension StreamPort {
  /// Whether ATS is switched on in the device.
  var isATSOn: Bool { isATSEnabled }
}
