// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Object IDs")
struct ObjectIDTests {
  private func allocateIOAS(_ kernel: Kernel) throws -> UInt32? {
    try kernel.ioctl(.ioasAlloc, [.u32(0), .u32(0)]).u32(8)
  }

  @Test(
    "4. The first ID is 1, and each is the lowest free one; the kernel's own objects have theirs",
    arguments: Driver.allCases)
  func lowestFree(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    #expect(try allocateIOAS(kernel) == 1)
    try kernel.make("ioas/i")
    let device = 2 + driver.idsOfDevice
    // Of a bus object beside the device only the device's own ID is shown.
    try kernel.plug()
    #expect(try kernel.id("devices/d") == device)
    #expect(try kernel.attach(to: .ioas("i")) == nil)
    let auto = try #require(try kernel.domain())
    #expect(try kernel.id("domains/\(auto)") == device + 1)
    try kernel.makeParent()
    try kernel.makeVIOMMU()
    try kernel.map(0x100_0000, 0x1000)
    #expect(try kernel.makeQueue("q", index: 0, iova: 0x100_0000) == nil)
    #expect(try kernel.id("hw-queues/q") == device + 4)
    // The access behind the queue has the ID after the queue's.
    #expect(try allocateIOAS(kernel) == device + 6)
    #expect(try kernel.destroy(1) == nil)
    #expect(try kernel.destroy("hw-queues/q") == nil)
    #expect(
      try [1, device + 4, device + 5].map { _ in try allocateIOAS(kernel) } == [
        1, device + 4, device + 5,
      ])
    #expect(try allocateIOAS(kernel) == device + 7)
    try kernel.close()
  }

  @Test(
    "5. An allocation that fails, however late, leaves its ID to the next one",
    arguments: Driver.allCases)
  func failedAllocation(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    #expect(try kernel.makeVDev(virtualID: 0x10) == nil)
    #expect(try kernel.makeEventQueue(depth: 1) == nil)
    let next = try #require(try allocateIOAS(kernel))
    #expect(try kernel.destroy(next) == nil)
    let (device, ioas) = (try kernel.id("devices/d"), try kernel.id("ioas/i"))
    let viommu = try kernel.id("viommus/v")
    let nested = Memory(bytes: driver.nestedBytes)
    let failures: [(Command, [Field], Memory?, String)] = [
      (.ioasAlloc, [.u32(1), .u32(0)], nil, "EOPNOTSUPP"),
      // A fault queue is looked for last, when the domain has been built.
      (
        .hwptAlloc,
        [.u32(HWPT.faultIDValid), .u32(device), .u32(ioas)] + Array(repeating: .u32(0), count: 5)
          + [.u64(0), .u32(0x7fff_fff0), .u32(0)], nil, "ENOENT"
      ),
      (
        .hwptAlloc,
        [
          .u32(HWPT.faultIDValid), .u32(device), .u32(viommu), .u32(0), .u32(0),
          .u32(driver.domainDataNumber), .u32(UInt32(nested.bytes.count)), .u64(Memory.address),
          .u32(0x7fff_fff0), .u32(0),
        ], nested, "ENOENT"
      ),
      (
        .viommuAlloc,
        [.u32(0), .u32(driver.viommuNumber), .u32(device), .u32(ioas), .u32(0)], nil, "ENOENT"
      ),
      (.vdeviceAlloc, [.u32(viommu), .u32(device), .u32(0), .u64(0x11)], nil, "EEXIST"),
      (
        .veventqAlloc,
        [.u32(0), .u32(viommu), .u32(driver.veventqNumber), .u32(1)]
          + Array(repeating: .u32(0), count: 3), nil, "EEXIST"
      ),
      // Nothing is mapped where the queue should be.
      (
        .hwQueueAlloc,
        [
          .u32(0), .u32(viommu), .u32(driver.hwQueueNumber), .u32(0), .u32(0), .u64(0x100_0000),
          .u64(0x1000),
        ], nil, "ENOENT"
      ),
    ]
    for (command, fields, memory, errno) in failures {
      let before = kernel.digest
      #expect(try kernel.ioctl(command, fields, memory).errno == errno, "\(command.name)")
      #expect(kernel.digest == before, "\(command.name)")
      #expect(try allocateIOAS(kernel) == next, "\(command.name)")
      #expect(try kernel.destroy(next) == nil)
    }
    #expect(try kernel.makeDevice("d2", stream: 1, on: .ioas("i")) == "ENODEV")
    #expect(try allocateIOAS(kernel) == next)
    try kernel.close()
  }

  @Test(
    "119. A hw-queue takes two IDs; the second one cannot be destroyed, and goes with the first",
    arguments: Driver.allCases)
  func hiddenID(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    try kernel.map(0x100_0000, 0x1000)
    #expect(try kernel.makeQueue("q", index: 0, iova: 0x100_0000) == nil)
    let queue = try kernel.id("hw-queues/q")
    #expect(try kernel.destroy(queue + 1) == "EBUSY")
    #expect(try kernel.attach(to: .id(queue + 1)) == "EINVAL")
    #expect(try kernel.destroy(queue) == nil)
    #expect(try kernel.destroy(queue) == "ENOENT")
    #expect(try kernel.destroy(queue + 1) == "ENOENT")
    #expect(try allocateIOAS(kernel) == queue)
    #expect(try allocateIOAS(kernel) == queue + 1)
    try kernel.close()
  }

  @Test("14, K46. The ID of a vdev whose device was unplugged is never used again")
  func tombstones() throws {
    let kernel = try Kernel.guest(.mock)
    #expect(try kernel.makeVDev(virtualID: 0x99) == nil)
    let vdev = try kernel.id("vdevs/x")
    #expect(try kernel.unplug("d") == nil)
    #expect(try kernel.destroy(vdev) == "ENOENT")
    let made = try (0..<8).map { _ in try allocateIOAS(kernel) }
    #expect(!made.contains(vdev))
    #expect(made.contains(vdev + 1))
    try kernel.close()
  }
}
