// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Scenarios of the kernel's self-test: address spaces")
struct AddressSpaceScenarios {
  /// What the fixture has besides the address space `i`.
  enum Fixture: CaseIterable {
    case nothing, device, pasidDevice, twoDevices

    func make(_ driver: Driver) throws -> Kernel {
      let kernel = try Kernel(driver)
      try kernel.make("ioas/i")
      if self != .nothing {
        let bits = self == .pasidDevice ? 20 : 0
        #expect(try kernel.makeDevice("d", pasidBits: bits, on: .ioas("i")) == nil)
      }
      if self == .twoDevices {
        #expect(try kernel.makeDevice("d2", stream: 2, on: .ioas("i")) == nil)
      }
      return kernel
    }

    var hasDevice: Bool { self != .nothing }
  }

  private static let start: UInt64 = 0x100_0000

  @Test(
    "K6. Closing the file frees an address space and all that is on it",
    arguments: Driver.allCases, Fixture.allCases)
  func closing(_ driver: Driver, _ fixture: Fixture) throws {
    try fixture.make(driver).close()
  }

  @Test(
    "K7. An address space is busy while a device is attached to it",
    arguments: Driver.allCases, Fixture.allCases)
  func destroy(_ driver: Driver, _ fixture: Fixture) throws {
    let kernel = try fixture.make(driver)
    #expect(try kernel.destroy("ioas/i") == (fixture.hasDevice ? "EBUSY" : nil))
    try kernel.close()
  }

  @Test(
    "K8. A mapping does not change that",
    arguments: Driver.allCases, Fixture.allCases)
  func destroyWithMapping(_ driver: Driver, _ fixture: Fixture) throws {
    let kernel = try fixture.make(driver)
    try kernel.map(AddressSpaceScenarios.start, 0x1000)
    #expect(try kernel.destroy("ioas/i") == (fixture.hasDevice ? "EBUSY" : nil))
    try kernel.close()
  }

  @Test(
    "K9. Ten mappings that are left behind go with the file",
    arguments: Driver.allCases, Fixture.allCases)
  func closingWithMappings(_ driver: Driver, _ fixture: Fixture) throws {
    let kernel = try fixture.make(driver)
    for index in 0..<10 {
      try kernel.map(AddressSpaceScenarios.start + UInt64(index) * 0x10000, 0x1000)
    }
    try kernel.close()
  }

  @Test(
    "K10. A device can be made on an automatic domain, and not on nothing",
    arguments: Driver.allCases, Fixture.allCases)
  func onAutomaticDomain(_ driver: Driver, _ fixture: Fixture) throws {
    let kernel = try fixture.make(driver)
    if fixture.hasDevice {
      let auto = try #require(try kernel.domain())
      let id = try kernel.id("domains/\(auto)")
      #expect(try kernel.makeDevice("e", stream: 9, on: .id(id)) == nil)
      #expect(try kernel.domain(of: "e") == auto)
      #expect(try kernel.unplug("e") == nil)
      #expect(try kernel.domain() == auto)
    } else {
      #expect(try kernel.makeDevice("e", stream: 9, on: .id(0)) == "ENOENT")
      #expect(try kernel.has("devices/e") == false)
    }
    try kernel.close()
  }

  // MARK: Accesses

  private func pin(
    _ kernel: Kernel, _ iova: UInt64, _ length: UInt64, access: String = "a"
  ) throws -> Reply {
    try kernel.post("accesses/\(access)/pins", "\"iova\":\(iova),\"length\":\(length)")
  }

  @Test(
    "K11. An access keeps its page when the device that shared the space is unplugged",
    arguments: Driver.allCases)
  func accessOutlivesDevice(_ driver: Driver) throws {
    let kernel = try Fixture.device.make(driver)
    // Behind the window of an SMMUv3's message signalled interrupts.
    let start: UInt64 = 0x1000_0000
    try kernel.map(start, 0x4000_0000)
    try kernel.make("accesses/a", #""ioas":"i","pin":true"#)
    let number = try #require(try pin(kernel, start + 0x1000, 0x1000)["pin"]?.number)
    #expect(try kernel.unplug("d") == nil)
    #expect(try kernel.destroy("ioas/i") == "EBUSY")
    #expect(try kernel.delete("accesses/a/pins/\(number)").errno == nil)
    #expect(try kernel.delete("accesses/a").errno == nil)
    #expect(try kernel.destroy("ioas/i") == nil)
    try kernel.close()
  }

  @Test(
    "K12. An access pins ranges of any length, twice at once, whoever comes and goes",
    arguments: Driver.allCases, Fixture.allCases)
  func accessPins(_ driver: Driver, _ fixture: Fixture) throws {
    let kernel = try fixture.make(driver)
    let start = AddressSpaceScenarios.start
    try kernel.make("accesses/a", #""ioas":"i","pin":true"#)
    for pages in [UInt64(1), 2, 4, 16, 512] {
      let length = pages * 0x1000
      try kernel.map(start, length)
      func take() throws -> Int { try #require(try pin(kernel, start, length)["pin"]?.number) }
      let first = try take()
      #expect(try kernel.delete("accesses/a/pins/\(first)").errno == nil)
      let (second, third) = (try take(), try take())
      #expect(second != third)
      #expect(try kernel.makeDevice("e", stream: 9, on: .ioas("i")) == nil)
      #expect(try kernel.unplug("e") == nil)
      for number in [second, third] {
        #expect(try kernel.delete("accesses/a/pins/\(number)").errno == nil)
      }
      #expect(try kernel.unmap(start, length) == nil)
    }
    try kernel.close()
  }

  @Test(
    "K13. An access is asked to let go of what is unmapped, and has nothing to release then",
    arguments: Driver.allCases, Fixture.allCases)
  func unmapUnderAccess(_ driver: Driver, _ fixture: Fixture) throws {
    let kernel = try fixture.make(driver)
    let start = AddressSpaceScenarios.start
    try kernel.make("accesses/a", #""ioas":"i","pin":true"#)
    try kernel.map(start, 0x2000)
    try kernel.map(start + 0x2000, 0x1000)
    let gone = try #require(try pin(kernel, start + 0x1000, 0x1000)["pin"]?.number)
    let across = try #require(try pin(kernel, start + 0x1000, 0x2000)["pin"]?.number)
    let kept = try #require(try pin(kernel, start + 0x2000, 0x1000)["pin"]?.number)
    #expect(try kernel.unmap(start, 0x2000) == nil)
    for number in [gone, across] {
      #expect(try kernel.delete("accesses/a/pins/\(number)").errno == "ENOENT")
    }
    #expect(try kernel.delete("accesses/a/pins/\(kept)").errno == nil)
    #expect(try pin(kernel, start, 0x1000).errno == "ENOENT")
    try kernel.close()
  }
}
