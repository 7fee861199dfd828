// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Scenarios of the kernel's self-test: a vIOMMU's invalidations, and its queues")
struct CacheScenarios {
  private let selftest: UInt32 = 0xdead_beef
  private static let word: UInt64 = 0xbaddad

  /// An entry: its flags, the virtual ID, and the index of the word to clear.
  private typealias Entry = (flags: UInt32, virtualID: UInt32, word: UInt32)

  private func call(_ kernel: Kernel, _ entries: [Entry]) throws -> IoctlReply {
    let bytes = Field.bytes(
      entries.flatMap { [.u32($0.flags), .u32($0.virtualID), .u32($0.word)] })
    return try kernel.invalidate(
      try kernel.id("viommus/v"), type: selftest, length: 12, count: UInt32(entries.count),
      entries: bytes)
  }

  private func words(_ kernel: Kernel) throws -> [UInt64] {
    try kernel.get("devices/d")["hardware"]?["cache"]?.numbers ?? []
  }

  @Test("K40. Entries that are wrong clear nothing, and none of them counts as done")
  func wrong() throws {
    let kernel = try Kernel.guest(.mock)
    #expect(try kernel.makeVDev(virtualID: 0x99) == nil)
    let viommu = try kernel.id("viommus/v")
    let good = Field.bytes([.u32(0), .u32(0x99), .u32(0)])
    func raw(
      type: UInt32? = nil, length: UInt32 = 12, count: UInt32 = 1, _ entries: [UInt8],
      pointer: UInt64 = Memory.address
    ) throws -> String? {
      let reply = try kernel.invalidate(
        viommu, type: type ?? selftest, length: length, count: count, entries: entries,
        pointer: pointer)
      #expect(reply.u32(24) == 0)
      return reply.errno
    }
    #expect(try raw(count: 0, []) == nil)
    #expect(try raw(type: 0, count: 0, []) == "EINVAL")
    #expect(try raw(type: 99, good) == "EINVAL")
    // The self-test hands over empty entries of these lengths, which name the vdev 0.
    #expect(try raw(length: 13, Array(repeating: 0, count: 13)) == "EINVAL")
    #expect(try raw(length: 1, [0]) == "EINVAL")
    #expect(try raw(good, pointer: 0) == "EINVAL")
    #expect(try raw(length: 0, good) == "EINVAL")
    for (entry, errno) in [
      (Entry(0xffff_ffff, 0x99, 0), "EOPNOTSUPP"), (Entry(0, 0x99, 4), "EINVAL"),
      (Entry(0, 0x9, 0), "EINVAL"),
    ] {
      let reply = try call(kernel, [entry])
      #expect(reply.errno == errno)
      #expect(reply.u32(24) == 0)
    }
    let word = CacheScenarios.word
    #expect(try words(kernel) == [word, word, word, word])
    try kernel.close()
  }

  @Test("K41. Entries are done one by one, up to the first that is wrong")
  func invalidations() throws {
    let kernel = try Kernel.guest(.mock)
    #expect(try kernel.makeVDev(virtualID: 0x99) == nil)
    let word = CacheScenarios.word
    let badFlag = try call(kernel, [(0, 0x99, 0), (0xffff_ffff, 0x99, 1)])
    #expect(badFlag.errno == "EOPNOTSUPP")
    #expect(badFlag.u32(24) == 1)
    #expect(try words(kernel) == [0, word, word, word])
    let badWord = try call(kernel, [(0, 0x99, 0), (0, 0x99, 4)])
    #expect(badWord.errno == "EINVAL")
    #expect(badWord.u32(24) == 1)
    #expect(try call(kernel, [(0, 0x99, 1)]).u32(24) == 1)
    #expect(try words(kernel) == [0, 0, word, word])
    let pair = try call(kernel, [(0, 0x99, 2), (0, 0x99, 2)])
    #expect(pair.errno == nil)
    #expect(pair.u32(24) == 2)
    #expect(try words(kernel) == [0, 0, 0, word])
    #expect(try call(kernel, [(1, 0x99, 0)]).u32(24) == 1)
    #expect(try words(kernel) == [0, 0, 0, 0])
    #expect(try kernel.destroy("vdevs/x") == nil)
    #expect(try call(kernel, [(0, 0x99, 0)]).errno == "EINVAL")
    try kernel.close()
  }

  // MARK: hw-queues

  private static let first: UInt64 = 0x100_0000
  private static let second: UInt64 = 0x100_1000

  @Test(
    "K42. A hw-queue has a type, a length, and memory that is mapped",
    arguments: Driver.allCases)
  func wrongQueues(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    let viommu = try kernel.id("viommus/v")
    let type = driver.hwQueueNumber
    for (type, iova, length, errno) in [
      (0, CacheScenarios.first, 0x1000, "EOPNOTSUPP"), (type, CacheScenarios.first, 0, "EINVAL"),
      (type, .max, 0x1000, "EOVERFLOW"), (type, CacheScenarios.first, 0x1000, "ENOENT"),
    ] as [(UInt32, UInt64, UInt64, String)] {
      #expect(
        try kernel.allocateQueue(on: viommu, type: type, iova: iova, length: length).errno == errno)
    }
    try kernel.close()
  }

  @Test(
    "K43-K45. Queues come in order, lock their memory, and go in the other order",
    arguments: Driver.allCases)
  func queues(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    let (first, second) = (CacheScenarios.first, CacheScenarios.second)
    for iova in [first, second] { try kernel.map(iova, 0x1000) }
    #expect(try kernel.makeQueue("q1", index: 1, iova: first) == "EIO")
    #expect(try kernel.makeQueue("q2", index: 2, iova: first) == "EINVAL")
    #expect(try kernel.makeQueue("q0", index: 0, iova: first) == nil)
    #expect(try kernel.makeQueue("q", index: 0, iova: first) == "EEXIST")
    // K44
    #expect(try kernel.unmap(first, 0x1000) == "EBUSY")
    #expect(try kernel.unmap(second, 0x1000) == nil)
    // K45
    #expect(try kernel.makeQueue("q1", index: 1, iova: first + 0x800, length: 0x800) == nil)
    #expect(try kernel.destroy("hw-queues/q0") == "EBUSY")
    for name in ["q1", "q0"] { #expect(try kernel.destroy("hw-queues/\(name)") == nil) }
    #expect(try kernel.unmap(first, 0x1000) == nil)
    try kernel.close()
  }
}
