// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Scenarios of the kernel's self-test: vIOMMUs")
struct VIOMMUScenarios {
  /// A guest whose device is attached to the address space.
  private func fixture(_ driver: Driver) throws -> Kernel {
    let kernel = try Kernel.guest(driver)
    #expect(try kernel.attach(to: .ioas("i")) == nil)
    return kernel
  }

  @Test(
    "K29. Closing the file takes the guest apart, holders before what they hold",
    arguments: Driver.allCases)
  func closing(_ driver: Driver) throws {
    let kernel = try fixture(driver)
    #expect(try kernel.unplug("d") == nil)
    let went = try kernel.delete("contexts/default")["deleted"]?.elements.compactMap {
      $0["id"]?.string
    }
    #expect(went == ["n", "v", "p", "i", "default"])
  }

  @Test(
    "K30. A vIOMMU is made on a parent, pins it, and is pinned by a nested domain at once",
    arguments: Driver.allCases)
  func negative(_ driver: Driver) throws {
    let kernel = try fixture(driver)
    try kernel.makePaging("s")
    let device = try kernel.id("devices/d")
    let (plain, parent) = (try kernel.id("domains/s"), try kernel.id("domains/p"))
    func make(_ type: UInt32, on domain: UInt32, for device: UInt32) throws -> String? {
      try kernel.allocateVIOMMU(type: type, device: device, on: domain).errno
    }
    let type = driver.viommuNumber
    #expect(try make(type, on: 0, for: device) == "ENOENT")
    #expect(try make(type, on: plain, for: device) == "EINVAL")
    #expect(try make(0, on: parent, for: device) == "EOPNOTSUPP")
    #expect(try make(99, on: parent, for: device) == "EOPNOTSUPP")
    #expect(try make(type, on: parent, for: 0) == "ENOENT")
    #expect(try kernel.destroy(parent) == "EBUSY")
    #expect(try kernel.destroy("viommus/v") == "EBUSY")
    try kernel.close()
  }

  @Test(
    "K31. A nested domain on a vIOMMU with faults: made, refused without a vdev, used, gone",
    arguments: Driver.allCases)
  func nestedFaults(_ driver: Driver) throws {
    let kernel = try fixture(driver)
    let queue = try #require(
      try kernel.ioctl(.faultQueueAlloc, [.u32(0), .u32(0), .u32(0)], name: "f").u32(8))
    let (device, viommu) = (try kernel.id("devices/d"), try kernel.id("viommus/v"))
    func nest(_ flags: UInt32, _ faultQueue: UInt32) throws -> IoctlReply {
      try kernel.allocateNested(
        flags: flags, device: device, on: viommu, faultQueue: faultQueue, name: "m")
    }
    #expect(try nest(HWPT.faultIDValid, .max).errno == "ENOENT")
    #expect(try nest(HWPT.faultIDValid | 1 << 31, queue).errno == "EOPNOTSUPP")
    let nested = try #require(try nest(HWPT.faultIDValid, queue).u32(16))
    #expect(try kernel.replace(by: .id(nested)) == "ENOENT")
    #expect(try kernel.makeVDev(virtualID: 0x99) == nil)
    #expect(try kernel.replace(by: .id(nested)) == nil)
    #expect(try kernel.destroy(nested) == "EBUSY")
    try PageFaultRound(queue: "f").play(on: kernel)
    #expect(try kernel.replace(by: .ioas("i")) == nil)
    #expect(try kernel.destroy(nested) == nil)
    #expect(try kernel.delete("fault-queues/f/file").errno == nil)
    #expect(try kernel.destroy(queue) == nil)
    try kernel.close()
  }

  @Test("K32. What a vIOMMU is made with comes back, and can be read in its window")
  func window() throws {
    let kernel = try fixture(.mock)
    let window = try Window.make(kernel, word: 0xbeef_0099, name: "w")
    #expect(Array(window.data.prefix(8)) == Field.bytes([.u32(0xbeef_0099), .u32(0xbeef_0099)]))
    let (offset, length) = (window.offset, window.length)
    for (offset, length) in [
      (offset + 0x1000, length), (offset + 0x2000, length), (offset, length / 2),
      (offset, length * 2),
    ] {
      let members = "\"offset\":\(offset),\"length\":\(length)"
      #expect(try kernel.post("contexts/default/mmaps", members).errno == "ENXIO")
    }
    let number = try #require(
      try kernel.post("contexts/default/mmaps", window.members)["mmap"]?.number)
    let map = "contexts/default/mmaps/\(number)"
    #expect(try kernel.get("\(map)/0x0")["value"]?.quantity == 0xbeef_0099)
    #expect(try kernel.destroy(window.viommu) == "EBUSY")
    #expect(try kernel.delete(map).errno == nil)
    #expect(try kernel.destroy(window.viommu) == nil)
    try kernel.close()
  }

  // MARK: vdevs and veventqs

  @Test("K33. Without a vdev a device does not come into its vIOMMU", arguments: Driver.allCases)
  func withoutVDev(_ driver: Driver) throws {
    let kernel = try fixture(driver)
    #expect(try kernel.replace(by: .domain("n")) == "ENOENT")
    try kernel.close()
  }

  @Test(
    "K34. A veventq has a depth of 1 to 2^19, and there is one of a type",
    arguments: Driver.allCases)
  func depths(_ driver: Driver) throws {
    let kernel = try fixture(driver)
    let viommu = try kernel.id("viommus/v")
    let type = driver.veventqNumber
    func make(_ depth: UInt32, _ name: String) throws -> IoctlReply {
      try kernel.allocateEventQueue(on: viommu, type: type, depth: depth, name: name)
    }
    #expect(try make(0, "e").errno == "EINVAL")
    #expect(try make(1 << 19 + 1, "e").errno == "EINVAL")
    let queue = try #require(try make(1 << 19, "e").u32(20))
    #expect(try kernel.delete("veventqs/e/file").errno == nil)
    #expect(try kernel.destroy(queue) == nil)
    #expect(try make(2, "e").u32(20) == queue)
    #expect(try make(2, "f").errno == "EEXIST")
    try kernel.close()
  }

  /// A record as it was read.
  private struct Entry: Equatable {
    let sequence: Int
    /// nil for a lost header.
    let virtualID: UInt64?
  }

  private func read(_ kernel: Kernel) throws -> [Entry] {
    let reply = try kernel.get("veventqs/e/events")
    return try #require(reply["items"]).elements.map { item in
      Entry(
        sequence: item["sequence"]?.number ?? -1,
        virtualID: item["lost_events"]?.bool == true
          ? nil : kernel.driver.virtualID(in: item["data"]?.numbers ?? []))
    }
  }

  @Test(
    "K35-K39. Events come in order under the virtual ID in force, and a loss is told",
    arguments: Driver.allCases)
  func events(_ driver: Driver) throws {
    let kernel = try fixture(driver)
    #expect(try kernel.makeEventQueue(depth: 2, file: "open") == nil)
    let queue = try kernel.id("veventqs/e")
    for count in [0, 7] {
      #expect(try kernel.get("veventqs/e/events?count=\(count)").errno == "EINVAL")
    }
    // K36
    #expect(try kernel.makeVDev(virtualID: 0x99) == nil)
    #expect(try kernel.replace(by: .domain("n")) == nil)
    #expect(try kernel.raise()["disposition"]?.string == "forwarded")
    for count in [0, 8] {
      #expect(try kernel.get("veventqs/e/events?count=\(count)").errno == "EINVAL")
    }
    #expect(try read(kernel) == [Entry(sequence: 0, virtualID: 0x99)])
    // K37
    #expect(try kernel.makeVDev("y", virtualID: 0x88) == "EEXIST")
    #expect(try kernel.replace(by: .ioas("i")) == nil)
    #expect(try kernel.destroy("vdevs/x") == nil)
    #expect(try kernel.makeVDev("y", virtualID: 0x88) == nil)
    #expect(try kernel.replace(by: .domain("n")) == nil)
    // K38
    for _ in 0..<3 { #expect(try kernel.raise()["disposition"]?.string == "forwarded") }
    #expect(
      try read(kernel) == [
        Entry(sequence: 1, virtualID: 0x88), Entry(sequence: 2, virtualID: 0x88),
        Entry(sequence: 3, virtualID: nil),
      ])
    #expect(try kernel.raise()["disposition"]?.string == "forwarded")
    #expect(try read(kernel) == [Entry(sequence: 4, virtualID: 0x88)])
    // K39
    #expect(try kernel.delete("veventqs/e/file").errno == nil)
    #expect(try kernel.replace(by: .ioas("i")) == nil)
    #expect(try kernel.destroy("vdevs/y") == nil)
    #expect(try kernel.destroy(queue) == nil)
    #expect(
      try kernel.allocateVDevice(
        on: try kernel.id("viommus/v"), device: 0, virtualID: 0x99
      ).errno == "ENOENT")
    try kernel.close()
  }

  @Test(
    "K46. Unplugging a device takes its vdev, whose ID is nobody's after that",
    arguments: Driver.allCases)
  func tombstone(_ driver: Driver) throws {
    let kernel = try fixture(driver)
    #expect(try kernel.makeVDev(virtualID: 0x99) == nil)
    let vdev = try kernel.id("vdevs/x")
    if driver == .mock {
      // Destroying the bus's own object of a device is what unplugs it.
      let bus = try #require(try kernel.get("devices/d")["hardware"]?["selftest_id"]?.number)
      #expect(try kernel.destroy(UInt32(bus)) == nil)
    } else {
      #expect(try kernel.unplug("d") == nil)
    }
    #expect(try kernel.destroy(vdev) == "ENOENT")
    #expect(try kernel.get("contexts/default")["tombstones"]?.numbers == [UInt64(vdev)])
    try kernel.close()
  }
}
