// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Who pins whom, by DESTROY")
struct LifetimeTests {
  @Test("6. A bound device is not its user's to destroy", arguments: Driver.allCases)
  func boundDevice(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    try kernel.plug()
    #expect(try kernel.destroy("devices/d") == "EBUSY")
    #expect(try kernel.delete("devices/d").errno == "EBUSY")
    #expect(try kernel.unplug("d") == nil)
    try kernel.close()
  }

  @Test("7. A paging domain pins its address space", arguments: Driver.allCases)
  func pagingDomain(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    try kernel.plug()
    try kernel.make("ioas/i")
    try kernel.makePaging("s")
    #expect(try kernel.destroy("ioas/i") == "EBUSY")
    #expect(try kernel.destroy("domains/s") == nil)
    #expect(try kernel.destroy("ioas/i") == nil)
    try kernel.close()
  }

  @Test(
    "8, 10. With a nested domain attached each of the chain is busy, and free leaf by leaf after",
    arguments: Driver.allCases)
  func chain(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    #expect(try kernel.makeVDev(virtualID: 0x10) == nil)
    #expect(try kernel.attach(to: .domain("n")) == nil)
    #expect(try kernel.destroy("vdevs/x") == nil)
    let chain = ["domains/n", "viommus/v", "domains/p", "ioas/i"]
    for path in chain.reversed() { #expect(try kernel.destroy(path) == "EBUSY", "\(path)") }
    #expect(try kernel.detach() == nil)
    for path in chain.dropFirst().reversed() {
      #expect(try kernel.destroy(path) == "EBUSY", "\(path)")
    }
    for path in chain { #expect(try kernel.destroy(path) == nil, "\(path)") }
    try kernel.close()
  }

  @Test(
    "9, 11, 12. What is made on a vIOMMU pins it from then on, and it its parent",
    arguments: Driver.allCases)
  func viommu(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    #expect(try kernel.destroy("viommus/v") == "EBUSY")
    #expect(try kernel.destroy("domains/n") == nil)
    #expect(try kernel.makeVDev(virtualID: 0x10) == nil)
    #expect(try kernel.destroy("viommus/v") == "EBUSY")
    #expect(try kernel.destroy("vdevs/x") == nil)
    #expect(try kernel.makeEventQueue(depth: 1) == nil)
    #expect(try kernel.destroy("viommus/v") == "EBUSY")
    #expect(try kernel.destroy("veventqs/e") == nil)
    #expect(try kernel.destroy("domains/p") == "EBUSY")
    #expect(try kernel.destroy("viommus/v") == nil)
    #expect(try kernel.destroy("domains/p") == nil)
    try kernel.close()
  }

  @Test("13. A vIOMMU does not keep the device it was made with", arguments: Driver.allCases)
  func viommuOutlivesDevice(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    #expect(try kernel.unplug("d") == nil)
    // Another one behind the same IOMMU goes on with it.
    try kernel.plug("d2", stream: 2)
    #expect(try kernel.makeVDev(for: "d2", virtualID: 0x10) == nil)
    try kernel.makeNested("m", for: "d2")
    #expect(try kernel.attach("d2", to: .domain("m")) == nil)
    try kernel.close()
  }

  @Test(
    "14-16. Unplugging a device ends its vdev: the ID is gone, all else is free again",
    arguments: Driver.allCases)
  func unplug(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    #expect(try kernel.makeVDev(virtualID: 0x10) == nil)
    #expect(try kernel.attach(to: .domain("n")) == nil)
    let vdev = try kernel.id("vdevs/x")
    #expect(try kernel.unplug("d") == nil)
    #expect(try kernel.destroy(vdev) == "ENOENT")
    try kernel.plug("d2", stream: 2)
    #expect(try kernel.makeVDev("y", for: "d2", virtualID: 0x10) == nil)
    #expect(try kernel.id("vdevs/y") != vdev)
    #expect(try kernel.destroy("vdevs/y") == nil)
    for path in ["domains/n", "viommus/v"] { #expect(try kernel.destroy(path) == nil) }
    #expect(try kernel.destroy(vdev) == "ENOENT")
    try kernel.close()
  }

  @Test("17. Closing a file takes what nobody holds, in passes of ascending IDs")
  func close() throws {
    let kernel = try Kernel(.smmu)
    try kernel.plug()
    try kernel.make("fault-queues/f")
    for name in ["i", "j"] { try kernel.make("ioas/\(name)") }
    try kernel.makePaging("s")
    try kernel.makeParent()
    try kernel.make("domains/t", #""type":"paging","device":"d","ioas":"j""#)
    try kernel.makeVIOMMU()
    try kernel.makeNested()
    #expect(try kernel.unplug("d") == nil)
    let went = try kernel.delete("contexts/default")["deleted"]?.elements.compactMap {
      $0["id"]?.string
    }
    // The address space j goes in the second pass, when p is still held by v: that goes after it.
    #expect(went == ["f", "s", "t", "n", "j", "v", "p", "i", "default"])
  }

  @Test("18. An open event file pins its veventq", arguments: Driver.allCases)
  func eventFile(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    let reply = try kernel.ioctl(
      .veventqAlloc,
      [
        .u32(0), .u32(try kernel.id("viommus/v")), .u32(driver.veventqNumber), .u32(1), .u32(0),
        .u32(0), .u32(0),
      ], name: "e")
    let queue = try #require(reply.u32(20))
    // The process has its standard files and the iommufd.
    #expect(reply.u32(24) == 4)
    #expect(try kernel.destroy(queue) == "EBUSY")
    #expect(try kernel.delete("veventqs/e/file").errno == nil)
    #expect(try kernel.destroy(queue) == nil)
    try kernel.close()
  }

  @Test(
    "19, 20. Each mapping of a window pins its vIOMMU, a forked one too",
    arguments: Driver.allCases)
  func memoryMaps(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    try kernel.make("ioas/i")
    try kernel.plug()
    try kernel.makeParent()
    let window = try Window.make(kernel)
    #expect(try kernel.post("contexts/default/mmaps", window.members)["mmap"]?.number == 1)
    #expect(try kernel.destroy(window.viommu) == "EBUSY")
    #expect(try kernel.post("contexts/default/mmaps/1/fork")["mmap"]?.number == 2)
    #expect(try kernel.delete("contexts/default/mmaps/1").errno == nil)
    #expect(try kernel.destroy(window.viommu) == "EBUSY")
    #expect(try kernel.delete("contexts/default/mmaps/2").errno == nil)
    #expect(try kernel.delete("contexts/default/mmaps/2").errno == "ENOENT")
    #expect(try kernel.destroy(window.viommu) == nil)
    try kernel.close()
  }

  @Test("19. Closing the file ends what is mapped of it", arguments: Driver.allCases)
  func closingUnmaps(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    try kernel.make("ioas/i")
    try kernel.plug()
    try kernel.makeParent()
    let window = try Window.make(kernel)
    try kernel.post("contexts/default/mmaps", window.members)
    try kernel.post("contexts/default/mmaps/1/fork")
    try kernel.close()
  }

  @Test(
    "117. A fault queue stays while a domain reports to it, and while its file is open",
    arguments: Driver.allCases)
  func faultQueue(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    let queue = try #require(
      try kernel.ioctl(.faultQueueAlloc, [.u32(0), .u32(0), .u32(0)], name: "f").u32(8))
    try kernel.makeNested("m", #","fault_queue":"f""#)
    #expect(try kernel.destroy(queue) == "EBUSY")
    #expect(try kernel.delete("fault-queues/f/file").errno == nil)
    #expect(try kernel.destroy(queue) == "EBUSY")
    #expect(try kernel.destroy("domains/m") == nil)
    #expect(try kernel.destroy(queue) == nil)
    let other = try #require(
      try kernel.ioctl(.faultQueueAlloc, [.u32(0), .u32(0), .u32(0)], name: "g").u32(8))
    try kernel.makeNested("m", #","fault_queue":"g""#)
    #expect(try kernel.destroy("domains/m") == nil)
    #expect(try kernel.destroy(other) == "EBUSY")
    #expect(try kernel.delete("fault-queues/g/file").errno == nil)
    #expect(try kernel.destroy(other) == nil)
    try kernel.close()
  }
}
