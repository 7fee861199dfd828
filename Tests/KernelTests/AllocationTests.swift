// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("The other allocations, in the order of their checks")
struct AllocationTests {
  @Test(
    "30. The parent of a vIOMMU is a nesting parent, and its type one that the IOMMU has",
    arguments: Driver.allCases)
  func viommus(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    try kernel.makePaging("s")
    let device = try kernel.id("devices/d")
    func make(_ type: UInt32, on path: String?, flags: UInt32 = 0) throws -> String? {
      try kernel.allocateVIOMMU(
        flags: flags, type: type, device: device, on: try path.map(kernel.id) ?? Kernel.nobody,
        data: Memory(bytes: Array(repeating: 0, count: driver.viommuDataLength))
      ).errno
    }
    let type = driver.viommuNumber
    #expect(try make(type, on: "domains/s") == "EINVAL")
    for path in ["ioas/i", "domains/n", "viommus/v", "devices/d", nil] {
      #expect(try make(type, on: path) == "ENOENT", "\(path ?? "")")
    }
    #expect(try make(0, on: "domains/p") == "EOPNOTSUPP")
    #expect(try make(99, on: "domains/p") == "EOPNOTSUPP")
    #expect(try make(99, on: nil) == "EOPNOTSUPP")
    #expect(try make(type, on: "domains/p", flags: 1) == "EOPNOTSUPP")
    #expect(
      try kernel.allocateVIOMMU(type: 99, device: Kernel.nobody, on: Kernel.nobody).errno
        == "ENOENT")
    #expect(try make(type, on: "domains/p") == nil)
    try kernel.close()
  }

  @Test("31. Where a guest could make its memory incoherent there are no vIOMMUs")
  func withoutFWB() throws {
    let kernel = try Kernel(.smmu)
    try kernel.make("smmus/old", #""driver":"arm-smmuv3","features":{"fwb":false}"#)
    try kernel.make("devices/d", #""smmu":"old","stream_id":1"#)
    try kernel.make("ioas/i")
    try kernel.makeParent()
    let (device, parent) = (try kernel.id("devices/d"), try kernel.id("domains/p"))
    for type in [UInt32(1), 2] {
      #expect(
        try kernel.allocateVIOMMU(type: type, device: device, on: parent).errno == "EOPNOTSUPP")
    }
  }

  @Test(
    "32, 99. A vdev is of one device on one vIOMMU of the device's IOMMU, under one virtual ID",
    arguments: Driver.allCases)
  func vdevs(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    try kernel.make("smmus/far", "\"driver\":\"\(driver.rawValue)\"")
    try kernel.make("devices/f", #""smmu":"far","stream_id":1"#)
    try kernel.plug("d2", stream: 2)
    try kernel.plug("twin", stream: 3, #","alias_stream_ids":[4]"#)
    let viommu = try kernel.id("viommus/v")
    func make(_ device: String, _ virtualID: UInt64) throws -> IoctlReply {
      try kernel.allocateVDevice(
        on: viommu, device: try kernel.id("devices/\(device)"), virtualID: virtualID)
    }
    let none = Kernel.nobody
    #expect(
      try kernel.allocateVDevice(on: none, device: none, virtualID: 0).errno == "ENOENT")
    #expect(
      try kernel.allocateVDevice(on: viommu, device: none, virtualID: 0).errno == "ENOENT")
    #expect(
      try kernel.allocateVDevice(on: none, device: try kernel.id("devices/d"), virtualID: 0).errno
        == "ENOENT")
    #expect(try make("f", 0x10).errno == "EINVAL")
    let first = try make("d", 0x10)
    #expect(first.errno == nil)
    #expect(try make("d", 0x11).errno == "EEXIST")
    #expect(try make("d2", 0x10).errno == "EEXIST")
    // 99. Two streams are one too many for an SMMUv3, and the ID and the virtual ID stay free.
    let twin = try make("twin", 0x12)
    #expect(twin.errno == (driver == .mock ? nil : "EOPNOTSUPP"))
    if let made = twin.u32(12) { #expect(try kernel.destroy(made) == nil) }
    let second = try make("d2", 0x12)
    #expect(second.u32(12) == first.u32(12).map { $0 + 1 })
    try kernel.close()
  }

  @Test("100. CMDQV matches virtual stream IDs of 20 bits, a plain SMMUv3 takes any")
  func virtualIDs() throws {
    let kernel = try Kernel.guest(.smmu)
    try kernel.make("viommus/plain", #""type":"arm-smmuv3","device":"d","domain":"p""#)
    let device = try kernel.id("devices/d")
    for (viommu, virtualID, errno) in [
      ("v", UInt64(0x10_0000), "EINVAL"), ("v", 0xf_ffff, nil), ("v", 0, nil),
      ("plain", 1 << 40, nil), ("plain", .max, nil),
    ] as [(String, UInt64, String?)] {
      let reply = try kernel.allocateVDevice(
        on: try kernel.id("viommus/\(viommu)"), device: device, virtualID: virtualID)
      #expect(reply.errno == errno, "\(viommu) \(virtualID)")
      if let made = reply.u32(12) { #expect(try kernel.destroy(made) == nil) }
    }
  }

  @Test("33. A veventq has a depth, and a vIOMMU one of each type", arguments: Driver.allCases)
  func veventqs(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    let viommu = try kernel.id("viommus/v")
    let type = driver.veventqNumber
    for on in [viommu, Kernel.nobody] {
      func make(_ type: UInt32, _ depth: UInt32, _ flags: UInt32 = 0, _ reserved: UInt32 = 0)
        throws -> String?
      {
        try kernel.allocateEventQueue(
          flags: flags, on: on, type: type, depth: depth, reserved: reserved
        ).errno
      }
      #expect(try make(type, 0) == "EINVAL")
      #expect(try make(type, (1 << 19) + 1) == "EINVAL")
      #expect(try make(0, 1) == "EOPNOTSUPP")
      #expect(try make(0, 0) == "EOPNOTSUPP")
      #expect(try make(type, 0, 1) == "EOPNOTSUPP")
      #expect(try make(type, 0, 0, 1) == "EOPNOTSUPP")
      #expect(try make(type, 1 << 19) == (on == viommu ? nil : "ENOENT"))
    }
    #expect(
      try kernel.allocateEventQueue(on: viommu, type: type, depth: 2).errno == "EEXIST")
    #expect(try kernel.allocateEventQueue(on: viommu, type: 99, depth: 2).errno == nil)
    try kernel.close()
  }

  @Test(
    "34. The memory of a hw-queue is looked at before its index", arguments: Driver.allCases)
  func hwQueues(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    let viommu = try kernel.id("viommus/v")
    let known = driver.hwQueueNumber
    func make(
      type: UInt32? = nil, _ iova: UInt64, _ length: UInt64, index: UInt32 = 99,
      on other: UInt32? = nil, flags: UInt32 = 0
    ) throws -> String? {
      try kernel.allocateQueue(
        flags: flags, on: other ?? viommu, type: type ?? known, index: index, iova: iova,
        length: length
      ).errno
    }
    let none = Kernel.nobody
    #expect(try make(type: 0, 0, 0, on: none) == "EOPNOTSUPP")
    #expect(try make(0, 0, on: none, flags: 1) == "EOPNOTSUPP")
    #expect(try make(0, 0, on: none) == "EINVAL")
    #expect(try make(.max, 2, on: none) == "EOVERFLOW")
    #expect(try make(0, .max, on: none) == "ENOENT")
    #expect(try make(type: 99, 0, .max) == "EOPNOTSUPP")
    #expect(try make(0, .max) == "ERANGE")
    #expect(try make(0, 1 << 63) == "ENOMEM")
    #expect(try make(0x100_0000, 0x1000) == "ENOENT")
    // Two pages that lie side by side in the guest's memory and not in the host's.
    for (iova, physical) in [(0x100_0000, 0x8000_0000), (0x100_1000, 0x9000_0000)] {
      let members = "\"iova\":\(iova),\"length\":4096,\"physical\":\(physical)"
      #expect(try kernel.post("ioas/i/map", members).errno == nil)
    }
    #expect(try make(0x100_0000, 0x2000) == "EFAULT")
    #expect(try make(0x100_0000, 0x3000) == "ENOENT")
    #expect(try make(0x100_0000, 0x1000) == "EINVAL")
    #expect(try make(0x100_0000, 0x1000, index: 0) == nil)
    try kernel.close()
  }

  @Test("106. A vIOMMU's reserved field is not looked at, nor data of a type that takes none")
  func viommuData() throws {
    let kernel = try Kernel.guest(.smmu)
    let (device, parent) = (try kernel.id("devices/d"), try kernel.id("domains/p"))
    #expect(
      try kernel.allocateVIOMMU(type: 1, device: device, on: parent, reserved: 1).errno == nil)
    let data = Memory(bytes: Array(repeating: 0x5a, count: 16))
    let reply = try kernel.allocateVIOMMU(type: 1, device: device, on: parent, data: data)
    #expect(reply.errno == nil)
    #expect(reply.memory == data.bytes)
    try kernel.close()
  }

  @Test("122. A device without ATS is said to have none", arguments: Driver.allCases)
  func capabilities(_ driver: Driver) throws {
    let kernel = try Kernel(driver)
    let noATS: UInt64 = 8
    try kernel.plug("plain")
    try kernel.plug("ats", stream: 2, #","ats":true"#)
    func capabilities(_ device: String) throws -> UInt64? {
      try kernel.hardwareInfo(of: try kernel.id("devices/\(device)"), room: 0).u64(32)
    }
    #expect(try capabilities("plain").map { $0 & noATS } == noATS)
    // The mock's devices have none, whatever they say of themselves.
    #expect(try capabilities("ats").map { $0 & noATS } == (driver == .mock ? noATS : 0))
  }
}
