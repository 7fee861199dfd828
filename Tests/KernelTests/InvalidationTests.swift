// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("HWPT_INVALIDATE, up to the driver")
struct InvalidationTests {
  private let selftest: UInt32 = 0xdead_beef

  @Test(
    "66. A reserved field is EOPNOTSUPP, what has nothing to invalidate EINVAL; none was handled",
    arguments: Driver.allCases)
  func targets(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    let entry = Field.bytes([.u64(0), .u64(0)])
    func invalidate(_ path: String?, reserved: UInt32 = 0) throws -> String? {
      let reply = try kernel.invalidate(
        try path.map(kernel.id) ?? Kernel.nobody, type: driver == .mock ? selftest : 1,
        length: 16, count: 1, entries: entry, reserved: reserved)
      // What was handled is written, error or not.
      #expect(reply.u32(24) == 0)
      return reply.errno
    }
    #expect(try invalidate("viommus/v", reserved: 1) == "EOPNOTSUPP")
    #expect(try invalidate(nil, reserved: 1) == "EOPNOTSUPP")
    #expect(try invalidate(nil) == "ENOENT")
    for path in ["ioas/i", "domains/p", "devices/d"] { #expect(try invalidate(path) == "EINVAL") }
    if driver == .smmu { #expect(try invalidate("domains/n") == "EOPNOTSUPP") }
    try kernel.close()
  }

  @Test(
    "101. Too many and too long entries are EINVAL before the ID is looked up, if there are any",
    arguments: Driver.allCases)
  func limits(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    for target in [try kernel.id("viommus/v"), Kernel.nobody] {
      func invalidate(
        length: UInt32 = 16, count: UInt32 = 1, pointer: UInt64 = Memory.address
      ) throws -> String? {
        let reply = try kernel.invalidate(
          target, type: 99, length: length, count: count, pointer: pointer)
        #expect(reply.u32(24) == 0)
        return reply.errno
      }
      #expect(try invalidate(count: (1 << 19) + 1) == "EINVAL")
      #expect(try invalidate(length: 4097) == "EINVAL")
      #expect(try invalidate(length: 0) == "EINVAL")
      #expect(try invalidate(pointer: 0) == "EINVAL")
      if target == Kernel.nobody {
        #expect(try invalidate() == "ENOENT")
        #expect(try invalidate(length: 4097, count: 0, pointer: 0) == "ENOENT")
        #expect(try invalidate(length: 4096, count: 1 << 19) == "ENOENT")
      }
    }
    try kernel.close()
  }

  @Test("59. Entries have a type; of a shorter one the rest is 0, of a longer one it must be")
  func entries() throws {
    let kernel = try Kernel.guest(.mock)
    #expect(try kernel.makeVDev(virtualID: 0) == nil)
    let viommu = try kernel.id("viommus/v")
    func invalidate(
      type: UInt32? = nil, length: Int, count: UInt32 = 1, _ entries: [UInt8]
    ) throws -> (errno: String?, handled: UInt32?) {
      let reply = try kernel.invalidate(
        viommu, type: type ?? selftest, length: UInt32(length), count: count, entries: entries)
      return (reply.errno, reply.u32(24))
    }
    let whole = Field.bytes([.u32(0), .u32(0), .u32(1)])
    #expect(try invalidate(length: 12, count: 0, []) == (nil, 0))
    #expect(try invalidate(type: 0, length: 12, count: 0, []) == ("EINVAL", 0))
    #expect(try invalidate(type: 0, length: 12, whole) == ("EINVAL", 0))
    #expect(try invalidate(length: 12, whole) == (nil, 1))
    // An entry of eight bytes names word 0.
    #expect(try invalidate(length: 8, whole) == (nil, 1))
    let cache = try kernel.get("devices/d")["hardware"]?["cache"]?.numbers
    #expect(cache == [0, 0, 0xbaddad, 0xbaddad])
    #expect(try invalidate(length: 16, whole + [0, 0, 0, 0]) == (nil, 1))
    #expect(try invalidate(length: 16, whole + [0, 0, 0, 1]) == ("E2BIG", 0))
    // A later entry that is too long is found before the first is carried out.
    let third = Field.bytes([.u32(0), .u32(0), .u32(2), .u32(0)])
    #expect(
      try invalidate(length: 16, count: 2, third + whole + [1, 0, 0, 0]) == ("E2BIG", 0))
    #expect(try kernel.get("devices/d")["hardware"]?["cache"]?.numbers == cache)
    try kernel.close()
  }
}
