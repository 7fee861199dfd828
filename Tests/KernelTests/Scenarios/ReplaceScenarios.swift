// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Scenarios of the kernel's self-test: domains and replace")
struct ReplaceScenarios {
  @Test("K14. The hardware's information fits buffers of any size", arguments: Driver.allCases)
  func hardwareInfo(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    try kernel.plug("d")
    try kernel.plug("wide", stream: 2, pasidBits: 20)
    let device = try kernel.id("devices/d")
    let length = Int(driver.hardwareInfoLength)
    let exact = try kernel.hardwareInfo(of: device, room: length)
    #expect(exact.u32(24) == driver.hardwareInfoNumber)
    #expect(exact.memory.contains { $0 != 0xff })
    for room in [0, length, length * 2, length / 2, 1] {
      let reply = try kernel.hardwareInfo(of: device, room: room)
      #expect(reply.errno == nil)
      #expect(reply.u32(12) == UInt32(length))
      #expect(reply.memory.prefix(length) == exact.memory.prefix(room))
      #expect(reply.memory.dropFirst(length).allSatisfy { $0 == 0 })
      #expect(reply.argument[28] == 0)
    }
    let wide = try kernel.hardwareInfo(of: try kernel.id("devices/wide"), room: 0)
    #expect(wide.argument[28] == 20)
    let hasInputType: UInt32 = 1
    let type = driver.hardwareInfoNumber
    for (wanted, errno) in [(type, nil), (0, nil), (1, "EOPNOTSUPP"), (.max, "EOPNOTSUPP")] {
      #expect(
        try kernel.hardwareInfo(flags: hasInputType, of: device, room: 0, type: wanted).errno
          == errno)
      // Without the flag nobody looks at the type.
      #expect(try kernel.hardwareInfo(of: device, room: 0, type: wanted).u32(24) == type)
    }
    #expect(try kernel.hardwareInfo(of: Kernel.nobody, room: 0).errno == "ENOENT")
    #expect(try kernel.hardwareInfo(flags: 2, of: Kernel.nobody, room: 0).errno == "EOPNOTSUPP")
    #expect(
      try kernel.hardwareInfo(of: Kernel.nobody, room: 0, reserved: 1).errno == "EOPNOTSUPP")
    try kernel.close()
  }

  @Test(
    "K15. A replaced automatic domain goes with its last device; the same again is no change",
    arguments: Driver.allCases, [1, 2])
  func replace(_ driver: Driver, _ count: Int) throws {
    let kernel = try Kernel(driver)
    for name in ["i", "j"] { try kernel.make("ioas/\(name)") }
    for index in 0..<count {
      #expect(try kernel.makeDevice("d\(index)", stream: index, on: .ioas("i")) == nil)
    }
    let auto = try #require(try kernel.domain(of: "d0"))
    let first = try kernel.id("domains/\(auto)")
    #expect(try kernel.replace("d0", by: .ioas("j")) == nil)
    if count == 1 { #expect(try kernel.replace("d0", by: .id(first)) == "ENOENT") }
    #expect(try kernel.replace("d0", by: .ioas("j")) == nil)
    if count == 2 {
      #expect(try kernel.domain(of: "d1") == auto)
      for _ in 0..<3 { #expect(try kernel.replace("d0", by: .id(first)) == nil) }
      #expect(try kernel.domain(of: "d0") == auto)
    }
    #expect(try kernel.replace("d0", by: .ioas("i")) == nil)
    #expect(try kernel.destroy("ioas/j") == nil)
    try kernel.close()
  }

  @Test("K16. A domain is busy while it is attached, to whomever", arguments: Driver.allCases)
  func domains(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    try kernel.make("ioas/i")
    let ioas = try kernel.id("ioas/i")
    for index in 0..<2 {
      #expect(try kernel.makeDevice("d\(index)", stream: index, on: .ioas("i")) == nil)
    }
    for index in 0..<2 {
      let name = "d\(index)"
      let device = try kernel.id("devices/\(name)")
      #expect(
        try kernel.allocateDomain(flags: ~HWPT.nestParent, device: device, on: ioas).errno
          == "EOPNOTSUPP")
      let plain = try #require(try kernel.allocateDomain(device: device, on: ioas).u32(16))
      let parent = try #require(
        try kernel.allocateDomain(flags: HWPT.nestParent, device: device, on: ioas).u32(16))
      for domain in [plain, parent] {
        #expect(try kernel.replace(name, by: .id(domain)) == nil)
        #expect(try kernel.destroy(domain) == "EBUSY")
      }
      #expect(try kernel.destroy(plain) == nil)
      #expect(try kernel.replace(name, by: .ioas("i")) == nil)
      #expect(try kernel.destroy(parent) == nil)
      let other = try #require(try kernel.allocateDomain(device: device, on: ioas).u32(16))
      #expect(try kernel.makeDevice("e", stream: 9, on: .id(other)) == nil)
      #expect(try kernel.destroy(other) == "EBUSY")
      #expect(try kernel.unplug("e") == nil)
      #expect(try kernel.destroy(other) == nil)
    }
    try kernel.close()
  }

  @Test(
    "K17. A device whose dirty pages nobody tracks has nothing to do with such domains",
    arguments: Driver.allCases)
  func dirtyDomains(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    try kernel.make("ioas/i")
    try kernel.plug("d")
    try kernel.plug("old", stream: 2, #","dirty_tracking":false"#)
    try kernel.makePaging("s", for: "d", #","dirty_tracking":true"#)
    #expect(try kernel.attach("d", to: .domain("s")) == nil)
    // On an SMMUv3 it depends on the SMMU that both are behind, so that only the mock objects.
    #expect(try kernel.attach("old", to: .domain("s")) == (driver == .mock ? "EINVAL" : nil))
    #expect(
      try kernel.allocateDomain(
        flags: HWPT.dirty, device: try kernel.id("devices/old"), on: try kernel.id("ioas/i")
      ).errno == "EOPNOTSUPP")
    try kernel.close()
  }

  @Test(
    "K18. Dirty tracking goes on and off on a domain that was made for it",
    arguments: Driver.allCases)
  func dirtyTracking(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    try kernel.make("ioas/i")
    #expect(try kernel.makeDevice("d", pasidBits: 20, on: .ioas("i")) == nil)
    try kernel.plug("old", stream: 2, pasidBits: 20, #","dirty_tracking":false"#)
    try kernel.makePaging("s", #","dirty_tracking":true,"pasid":true"#)
    try kernel.makePaging("t", #","pasid":true"#)
    func set(_ name: String, _ isOn: UInt32) throws -> String? {
      let id = try kernel.id("domains/\(name)")
      return try kernel.ioctl(.setDirtyTracking, [.u32(isOn), .u32(id), .u32(0)]).errno
    }
    func toggle() throws {
      #expect(try set("s", 1) == nil)
      #expect(try kernel.get("domains/s")["tracks_dirty"]?.bool == true)
      #expect(try set("s", 0) == nil)
      #expect(try kernel.get("domains/s")["tracks_dirty"]?.bool == false)
    }
    #expect(try kernel.replace(by: .domain("s")) == nil)
    try toggle()
    #expect(try kernel.attach(pasid: 100, to: .domain("s")) == nil)
    try toggle()
    #expect(try kernel.detach(pasid: 100) == nil)
    #expect(try set("t", 1) == "EOPNOTSUPP")
    if driver == .mock {
      #expect(try kernel.attach("old", to: .domain("s")) == "EINVAL")
      #expect(try kernel.attach("old", pasid: 100, to: .domain("s")) == "EINVAL")
    }
    try kernel.close()
  }

  @Test("K19. That dirty pages are tracked is among the capabilities", arguments: Driver.allCases)
  func dirtyCapability(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    try kernel.plug("d")
    try kernel.plug("old", stream: 2, #","dirty_tracking":false"#)
    for (device, bit) in [("d", UInt64(1)), ("old", 0)] {
      let reply = try kernel.hardwareInfo(of: try kernel.id("devices/\(device)"), room: 0)
      #expect(reply.u64(32).map { $0 & 1 } == bit)
    }
    try kernel.close()
  }
}
