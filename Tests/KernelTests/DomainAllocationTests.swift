// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("HWPT_ALLOC, in the order of its checks")
struct DomainAllocationTests {
  /// What the calls refer to: a device, a page table of each kind, and what is none.
  private struct World {
    let kernel: Kernel
    let device, ioas, plain, parent, viommu: UInt32

    init(_ driver: Driver) throws {
      kernel = try Kernel.guest(driver)
      try kernel.makePaging("s")
      device = try kernel.id("devices/d")
      ioas = try kernel.id("ioas/i")
      plain = try kernel.id("domains/s")
      parent = try kernel.id("domains/p")
      viommu = try kernel.id("viommus/v")
    }
  }

  @Test("21. A bad device is ENOENT, a bad page table alone EINVAL", arguments: Driver.allCases)
  func badIDs(_ driver: Driver) throws {
    let world = try World(driver)
    let kernel = world.kernel
    for device in [Kernel.nobody, world.ioas] {
      #expect(try kernel.allocateDomain(device: device, on: Kernel.nobody).errno == "ENOENT")
    }
    for pageTable in [Kernel.nobody, 0, world.device] {
      #expect(try kernel.allocateDomain(device: world.device, on: pageTable).errno == "EINVAL")
    }
    try kernel.close()
  }

  @Test(
    "22. A reserved field is looked at before all else; the second one is not looked at",
    arguments: Driver.allCases)
  func reserved(_ driver: Driver) throws {
    let world = try World(driver)
    let reply = try world.kernel.allocateDomain(
      flags: .max, device: Kernel.nobody, on: Kernel.nobody, reserved: 1, dataType: 1)
    #expect(reply.errno == "EOPNOTSUPP")
    #expect(
      try world.kernel.allocateDomain(device: world.device, on: world.ioas, reserved2: 1).errno
        == nil)
    try world.kernel.close()
  }

  @Test(
    "23. Data has a type and a length or neither, whatever else is wrong",
    arguments: Driver.allCases)
  func typeAndLength(_ driver: Driver) throws {
    let world = try World(driver)
    let type = driver.domainDataNumber
    for device in [world.device, Kernel.nobody] {
      for pageTable in [world.viommu, world.ioas, Kernel.nobody] {
        #expect(
          try world.kernel.allocateDomain(device: device, on: pageTable, dataLength: 16).errno
            == "EINVAL")
        #expect(
          try world.kernel.allocateDomain(device: device, on: pageTable, dataType: type).errno
            == "EINVAL")
      }
    }
    try world.kernel.close()
  }

  @Test("24. A nesting parent has no other flag on an SMMUv3, and nowhere takes faults")
  func parents() throws {
    for driver in Driver.allCases {
      let world = try World(driver)
      for flags in [
        HWPT.nestParent | HWPT.faultIDValid, HWPT.nestParent | HWPT.dirty,
        HWPT.nestParent | HWPT.pasid, 0x10,
      ] {
        // The mock knows every flag of the core, and takes them together.
        let isTaken = driver == .mock && flags & (HWPT.faultIDValid | 0x10) == 0
        #expect(
          try world.kernel.allocateDomain(flags: flags, device: world.device, on: world.ioas)
            .errno == (isTaken ? nil : "EOPNOTSUPP"), "\(driver) \(flags)")
      }
      try world.kernel.close()
    }
  }

  @Test("25. An SMMUv3 nests on vIOMMUs, not on their parents")
  func directly() throws {
    let world = try World(.smmu)
    for parent in [world.parent, world.plain] {
      #expect(
        try world.kernel.allocateNested(device: world.device, on: parent).errno == "EOPNOTSUPP")
    }
  }

  @Test("26. A nested domain of an SMMUv3 takes no pasid flag; unknown flags nobody's does")
  func nestedFlags() throws {
    for driver in Driver.allCases {
      let world = try World(driver)
      let reply = try world.kernel.allocateNested(
        flags: HWPT.pasid, device: world.device, on: world.viommu)
      #expect(reply.errno == (driver == .mock ? nil : "EOPNOTSUPP"))
      for flags in [HWPT.nestParent, HWPT.dirty, 0x10, 0x8000_0000] {
        #expect(
          try world.kernel.allocateNested(flags: flags, device: world.device, on: world.viommu)
            .errno == "EOPNOTSUPP")
      }
    }
  }

  @Test("27. A guest's entry has 16 bytes and its own type")
  func steLength() throws {
    let world = try World(.smmu)
    func nested(type: UInt32 = 2, _ length: Int) throws -> String? {
      let data = Memory(bytes: Array((world.kernel.driver.nestedBytes + [0, 0]).prefix(length)))
      return try world.kernel.allocateDomain(
        device: world.device, on: world.viommu, dataType: type, dataLength: UInt32(length),
        data: data
      ).errno
    }
    #expect(try nested(16) == nil)
    for length in [1, 8, 15, 17, 24, 4096, 1 << 20] {
      #expect(try nested(length) == "EINVAL", "\(length)")
    }
    for type in [UInt32(1), 3, 0xdead] { #expect(try nested(type: type, 16) == "EINVAL") }
    let far = try world.kernel.allocateDomain(
      device: world.device, on: world.viommu, dataType: 2, dataLength: 16,
      data: Memory(address: 0x5000, bytes: [0]))
    #expect(far.errno == "EFAULT")
  }

  @Test("28, 29. A guest sets the bits that are its own, unless its entry is not valid")
  func steBits() throws {
    let world = try World(.smmu)
    let cases: [(String, UInt64, UInt64, String?)] = [
      ("28. V = 0 with anything", ~1, .max, nil),
      ("abort", 1, 0, nil), ("bypass", 0x9, 0, nil), ("stage 1", 0xb, 0, nil),
      ("29. SHCFG", 0xb, 1 << 44, "EIO"), ("29. Config 6", 0xd, 0, "EIO"),
      ("29. Config 7", 0xf, 0, "EIO"), ("Config 1", 0x3, 0, "EIO"),
      ("29. EATS 2", 0xb, 2 << 28, "EIO"), ("EATS 3", 0xb, 3 << 28, "EIO"),
      ("EATS 1", 0xb, 1 << 28, nil),
      ("all that a guest may write", 0xf80f_ffff_ffff_fffb, 0x1800_00ff, nil),
      ("bit 52 of the first word", 0xb | 1 << 52, 0, "EIO"), ("STRW", 0xb, 1 << 30, "EIO"),
      ("MEV", 0xb, 1 << 19, "EIO"),
    ]
    for (claim, word0, word1, errno) in cases {
      let data = Memory(bytes: Field.bytes([.u64(word0), .u64(word1)]))
      let reply = try world.kernel.allocateDomain(
        device: world.device, on: world.viommu, dataType: 2, data: data)
      #expect(reply.errno == errno, "\(claim)")
    }
  }

  @Test("120. A domain without flags can be made for any device, a nesting parent not on all")
  func plainDomains() throws {
    let kernel = try Kernel()
    try kernel.make("smmus/old", #""driver":"arm-smmuv3","features":{"s2p":false},"cmdqv":null"#)
    try kernel.make("ioas/i")
    try kernel.make("devices/d", #""smmu":"old","stream_id":1"#)
    let (device, ioas) = (try kernel.id("devices/d"), try kernel.id("ioas/i"))
    #expect(try kernel.allocateDomain(device: device, on: ioas).errno == nil)
    #expect(
      try kernel.allocateDomain(flags: HWPT.nestParent, device: device, on: ioas).errno
        == "EOPNOTSUPP")
  }
}
