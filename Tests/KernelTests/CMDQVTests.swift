// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Windows, guest-owned queues and their memory")
struct CMDQVTests {
  private func parented(_ driver: Driver) throws -> Kernel {
    let kernel = try Kernel(driver)
    try kernel.make("ioas/i")
    try kernel.plug()
    try kernel.makeParent()
    return kernel
  }

  @Test("86. A vIOMMU with queues says where its window is, and there are as many as interfaces")
  func interfaces() throws {
    let kernel = try parented(.smmu)
    let (device, parent) = (try kernel.id("devices/d"), try kernel.id("domains/p"))
    #expect(try kernel.allocateVIOMMU(type: 2, device: device, on: parent).errno == "EINVAL")
    for length in [8, 15, 24] {
      let data = Memory(bytes: Array(repeating: 0, count: length))
      #expect(
        try kernel.allocateVIOMMU(type: 2, device: device, on: parent, data: data).errno
          == "EINVAL")
    }
    #expect(
      try kernel.allocateVIOMMU(type: 2, device: device, on: parent, dataLength: 16).errno
        == "EFAULT")
    for name in ["u", "v", "w"] { _ = try Window.make(kernel, name: name) }
    let data = Memory(bytes: Array(repeating: 0, count: 16))
    #expect(
      try kernel.allocateVIOMMU(type: 2, device: device, on: parent, data: data).errno == "ENOSPC")
    // Of the other type there is no end.
    #expect(try kernel.allocateVIOMMU(type: 1, device: device, on: parent).errno == nil)
    #expect(try kernel.destroy("viommus/v") == nil)
    #expect(try Window.make(kernel, name: "x").data.count == 16)
    #expect(try kernel.get("viommus/x")["hardware"]?["vintf"]?.number == 2)
    try kernel.close()
  }

  @Test("87. A window is mapped whole and shared, and is not executed", arguments: Driver.allCases)
  func mapping(_ driver: Driver) throws {
    let kernel = try parented(driver)
    let window = try Window.make(kernel)
    func map(_ offset: UInt64, _ length: UInt64, _ more: String = "") throws -> String? {
      let reply = try kernel.post(
        "contexts/default/mmaps", "\"offset\":\(offset),\"length\":\(length)\(more)")
      return reply.errno
    }
    let (offset, length) = (window.offset, window.length)
    for (offset, length) in [
      (offset + 0x1000, length), (offset + 0x2000, length), (offset, length / 2),
      (offset, length * 2), (0, length),
    ] {
      #expect(try map(offset, length) == "ENXIO")
    }
    #expect(try map(offset, length, #","shared":false"#) == "EINVAL")
    #expect(try map(offset, length, #","executable":true"#) == "EPERM")
    #expect(try map(offset, length) == nil)
    #expect(try map(offset, length) == nil)
    try kernel.close()
  }

  @Test(
    "88, 89. Queues come in the order of their indexes and go in the other one",
    arguments: Driver.allCases)
  func order(_ driver: Driver) throws {
    let kernel = try parented(driver)
    try kernel.makeVIOMMU()
    try kernel.map(0x100_0000, 0x2000)
    func make(_ index: Int) throws -> String? {
      try kernel.makeQueue("q\(index)", index: index, iova: 0x100_0000 + UInt64(index & 1) << 12)
    }
    #expect(try make(1) == "EIO")
    #expect(try make(2) == "EINVAL")
    #expect(try make(0) == nil)
    #expect(try kernel.makeQueue("again", index: 0, iova: 0x100_0000) == "EEXIST")
    #expect(try make(1) == nil)
    #expect(try kernel.makeQueue("again", index: 1, iova: 0x100_1000) == "EEXIST")
    #expect(try kernel.destroy("hw-queues/q0") == "EBUSY")
    for path in ["hw-queues/q1", "hw-queues/q0"] { #expect(try kernel.destroy(path) == nil) }
    #expect(try make(0) == nil)
    #expect(try make(1) == nil)
    try kernel.close()
  }

  @Test("90. A ring is a power of two long and aligned to that, and its memory stays mapped")
  func rings() throws {
    let kernel = try parented(.smmu)
    try kernel.makeVIOMMU()
    let area = #""iova":"0x1000000","length":"0x10000","physical":"0x80001000""#
    #expect(try kernel.post("ioas/i/map", area).errno == nil)
    func make(_ iova: UInt64, _ length: UInt64) throws -> String? {
      try kernel.makeQueue("q", index: 0, iova: iova, length: length)
    }
    for length in [UInt64(16), 48, 0x1001, 0x3000] {
      #expect(try make(0x100_1000, length) == "EINVAL")
    }
    // The physical address counts, not the guest's.
    #expect(try make(0x100_0000, 0x2000) == "EINVAL")
    #expect(try make(0x100_0010, 32) == "EINVAL")
    #expect(try make(0x100_1000, 0x2000) == nil)
    #expect(try kernel.get("hw-queues/q")["hardware"]?["base_address"]?.quantity == 0x8000_2000)
    #expect(try kernel.unmap(0x100_0000, 0x10000) == "EBUSY")
    #expect(try kernel.unmap(0, .max) == "EBUSY")
    // The lock is seen before the split.
    #expect(try kernel.unmap(0x100_0000, 0x1000) == "EBUSY")
    #expect(try kernel.destroy("hw-queues/q") == nil)
    #expect(try kernel.unmap(0x100_0000, 0x1000) == "ENOENT")
    #expect(try kernel.unmap(0x100_0000, 0x10000) == nil)
    try kernel.close()
  }

  @Test(
    "97, 118. Windows have the lowest offsets that are free, behind the file's first page",
    arguments: Driver.allCases)
  func offsets(_ driver: Driver) throws {
    let kernel = try parented(driver)
    let length: UInt64 = driver == .mock ? 0x2000 : 0x10000
    let windows = try ["u", "v", "w"].map { try Window.make(kernel, name: $0) }
    #expect(windows.map(\.length) == [length, length, length])
    #expect(windows.map(\.offset) == [0x1000, 0x1000 + length, 0x1000 + 2 * length])
    #expect(try kernel.destroy("viommus/v") == nil)
    #expect(try kernel.post("contexts/default/mmaps", windows[1].members).errno == "ENXIO")
    #expect(try Window.make(kernel, name: "v").offset == 0x1000 + length)
    try kernel.close()
  }
}
