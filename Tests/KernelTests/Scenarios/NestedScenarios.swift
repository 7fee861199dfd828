// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Scenarios of the kernel's self-test: nested domains directly on a parent")
struct NestedScenarios {
  private let selftest: UInt32 = 0xdead_beef
  private let data: UInt32 = 0xdead
  private let word: UInt64 = 0x9988_7766

  /// A device on the address space `i`, a parent `p` and a plain domain `q`.
  private struct World {
    let kernel: Kernel
    let device, ioas, parent, plain: UInt32

    init() throws {
      kernel = try Kernel(.mock)
      try kernel.make("ioas/i")
      #expect(try kernel.makeDevice("d", on: .ioas("i")) == nil)
      try kernel.makeParent()
      try kernel.makePaging("q")
      device = try kernel.id("devices/d")
      ioas = try kernel.id("ioas/i")
      parent = try kernel.id("domains/p")
      plain = try kernel.id("domains/q")
    }

    @discardableResult
    func nest(_ name: String, faultQueue: UInt32? = nil) throws -> UInt32 {
      let reply = try kernel.allocateNested(
        flags: faultQueue == nil ? 0 : HWPT.faultIDValid, device: device, on: parent,
        faultQueue: faultQueue ?? 0, name: name)
      return try #require(reply.u32(16), "\(reply.errno ?? "")")
    }

    /// The words of a nested domain that invalidations clear.
    func words(_ name: String) throws -> [UInt64] {
      try kernel.get("domains/\(name)")["hardware"]?["iotlb"]?.numbers ?? []
    }
  }

  @Test("K20. A parent is made for a device, on an address space, and takes no faults")
  func parents() throws {
    let world = try World()
    let kernel = world.kernel
    #expect(try kernel.allocateDomain(device: world.ioas, on: world.ioas).errno == "ENOENT")
    #expect(try kernel.allocateDomain(device: world.device, on: world.device).errno == "EINVAL")
    #expect(
      try kernel.allocateDomain(
        flags: HWPT.nestParent | HWPT.faultIDValid, device: world.device, on: world.ioas
      ).errno == "EOPNOTSUPP")
    try kernel.close()
  }

  @Test("K21. A nested domain is made of data of a known type and length, on a parent")
  func negative() throws {
    let world = try World()
    func nest(
      flags: UInt32 = 0, on parent: UInt32? = nil, type: UInt32, length: UInt32,
      bytes: [UInt8]? = nil
    ) throws -> String? {
      try world.kernel.allocateDomain(
        flags: flags, device: world.device, on: parent ?? world.parent, dataType: type,
        dataLength: length, data: bytes.map { Memory(bytes: $0) }
      ).errno
    }
    let four: [UInt8] = [1, 0, 0, 0]
    #expect(try nest(type: 0, length: 4, bytes: four) == "EINVAL")
    #expect(try nest(type: 99, length: 4, bytes: four) == "EOPNOTSUPP")
    #expect(try nest(type: data, length: 3, bytes: four) == "EINVAL")
    #expect(try nest(type: data, length: 4) == "EFAULT")
    #expect(try nest(flags: HWPT.nestParent, type: data, length: 4, bytes: four) == "EOPNOTSUPP")
    #expect(try nest(on: world.plain, type: data, length: 4, bytes: four) == "EINVAL")
    #expect(try nest(type: 0, length: 0) == "EOPNOTSUPP")
    try world.kernel.close()
  }

  @Test("K22. Nested domains pin their parent, and report to a fault queue that there is")
  func nested() throws {
    let world = try World()
    let kernel = world.kernel
    try kernel.make("fault-queues/f")
    let first = try world.nest("n0")
    try world.nest("n1")
    for queue in [UInt32.max, 0, world.ioas] {
      let reply = try kernel.allocateNested(
        flags: HWPT.faultIDValid, device: world.device, on: world.parent, faultQueue: queue)
      #expect(reply.errno == "ENOENT")
    }
    try world.nest("n2", faultQueue: try kernel.id("fault-queues/f"))
    #expect(try kernel.get("domains/n2")["fault_queue"]?.string == "f")
    #expect(try kernel.allocateNested(device: world.device, on: first).errno == "EINVAL")
    #expect(try kernel.destroy(world.parent) == "EBUSY")
    #expect(try world.words("n0") == [word, word, word, word])
    try kernel.close()
  }

  @Test("K23. Invalidations that are wrong clear nothing, and none of them counts as done")
  func wrongInvalidations() throws {
    let world = try World()
    let nested = try world.nest("n0")
    let good = Field.bytes([.u32(0), .u32(0)])
    func call(
      _ target: UInt32, type: UInt32? = nil, length: UInt32 = 8, count: UInt32 = 1,
      _ entries: [UInt8], pointer: UInt64 = Memory.address
    ) throws -> String? {
      let reply = try world.kernel.invalidate(
        target, type: type ?? selftest, length: length, count: count, entries: entries,
        pointer: pointer)
      #expect(reply.u32(24) == 0)
      return reply.errno
    }
    #expect(try call(world.parent, good) == "EINVAL")
    #expect(try call(nested, count: 0, []) == nil)
    #expect(try call(nested, type: 0, count: 0, []) == "EINVAL")
    #expect(try call(nested, type: 99, good) == "EINVAL")
    #expect(try call(nested, length: 9, good + [0]) == "EINVAL")
    #expect(try call(nested, length: 1, good) == "EINVAL")
    #expect(try call(nested, length: 4097, good) == "EINVAL")
    #expect(try call(nested, count: (1 << 19) + 1, good) == "EINVAL")
    #expect(try call(nested, Field.bytes([.u32(0xffff_ffff), .u32(0)])) == "EOPNOTSUPP")
    #expect(try call(nested, good, pointer: 0) == "EINVAL")
    #expect(try call(nested, length: 0, good) == "EINVAL")
    #expect(try call(nested, Field.bytes([.u32(0), .u32(4)])) == "EINVAL")
    #expect(try world.words("n0") == [word, word, word, word])
    try world.kernel.close()
  }

  @Test("K24. Invalidations are done one by one, up to the first that is wrong")
  func invalidations() throws {
    let world = try World()
    let (first, second) = (try world.nest("n0"), try world.nest("n1"))
    func call(_ target: UInt32, _ entries: [(flags: UInt32, word: UInt32)]) throws -> IoctlReply {
      try world.kernel.invalidate(
        target, type: selftest, length: 8, count: UInt32(entries.count),
        entries: Field.bytes(entries.flatMap { [.u32($0.flags), .u32($0.word)] }))
    }
    let badFlag = try call(first, [(0, 0), (0xffff_ffff, 1)])
    #expect(badFlag.errno == "EOPNOTSUPP")
    #expect(badFlag.u32(24) == 1)
    #expect(try world.words("n0") == [0, word, word, word])
    let badWord = try call(first, [(0, 0), (0, 4)])
    #expect(badWord.errno == "EINVAL")
    #expect(badWord.u32(24) == 1)
    #expect(try call(first, [(0, 1)]).u32(24) == 1)
    #expect(try world.words("n0") == [0, 0, word, word])
    let pair = try call(first, [(0, 2), (0, 3)])
    #expect(pair.errno == nil)
    #expect(pair.u32(24) == 2)
    #expect(try world.words("n0") == [0, 0, 0, 0])
    #expect(try call(second, [(1, 0)]).u32(24) == 1)
    #expect(try world.words("n1") == [0, 0, 0, 0])
    try world.kernel.close()
  }

  @Test("K25-K27. The attached one of several nested domains is busy; its faults are answered")
  func attached() throws {
    let world = try World()
    let kernel = world.kernel
    let queue = try #require(
      try kernel.ioctl(.faultQueueAlloc, [.u32(0), .u32(0), .u32(0)], name: "f").u32(8))
    let nested = [
      try world.nest("n0"), try world.nest("n1"), try world.nest("n2", faultQueue: queue),
    ]
    #expect(try kernel.replace(by: .id(nested[0])) == nil)
    #expect(try kernel.destroy(nested[0]) == "EBUSY")
    #expect(try kernel.replace(by: .id(nested[1])) == nil)
    #expect(try kernel.destroy(nested[1]) == "EBUSY")
    #expect(try kernel.destroy(nested[0]) == nil)
    #expect(try kernel.replace(by: .id(nested[2])) == nil)
    #expect(try kernel.destroy(nested[2]) == "EBUSY")
    // K26
    try PageFaultRound(queue: "f").play(on: kernel)
    // K27
    #expect(try kernel.replace(by: .id(world.parent)) == nil)
    for domain in nested.dropFirst() { #expect(try kernel.destroy(domain) == nil) }
    #expect(try kernel.replace(by: .ioas("i")) == nil)
    for domain in [world.parent, world.plain] { #expect(try kernel.destroy(domain) == nil) }
    #expect(try kernel.destroy(queue) == "EBUSY")
    #expect(try kernel.delete("fault-queues/f/file").errno == nil)
    #expect(try kernel.destroy(queue) == nil)
    try kernel.close()
  }

  @Test("K28. Without a device there is nothing to make a domain for, or to replace")
  func withoutDevice() throws {
    let kernel = try Kernel(.mock)
    try kernel.make("ioas/i")
    let ioas = try kernel.id("ioas/i")
    #expect(try kernel.allocateDomain(device: 0, on: ioas).errno == "ENOENT")
    #expect(try kernel.allocateNested(device: 0, on: ioas).errno == "ENOENT")
    #expect(try kernel.replace("d", by: .ioas("i")) == "ENOENT")
    try kernel.close()
  }
}

/// A page fault of the device `d`, as a VMM meets it: it is raised, read, answered and gone.
struct PageFaultRound {
  var queue: String
  var pasid: Int?

  func play(on kernel: Kernel) throws {
    let page = #"{"address":"0xdeadb000","read":true,"write":true}"#
    let more = pasid.map { ",\"pasid\":\($0)" } ?? ""
    let raised = try kernel.post(
      "devices/d/page-requests", "\"group\":2,\"pages\":[\(page)]\(more)")
    #expect(raised["fault_queue"]?.string == queue)
    let reply = try kernel.get("fault-queues/\(queue)/faults?count=40")
    #expect(reply["bytes"]?.number == 40)
    let group = try #require(reply["items"]?.elements.first)
    let fault = try #require(group["faults"]?.elements.first)
    #expect(fault["group"]?.number == 2)
    #expect(fault["device_id"]?.number == Int(try kernel.id("devices/d")))
    #expect(fault["pasid"]?.number == pasid)
    #expect(fault["read"]?.bool == true)
    #expect(fault["write"]?.bool == true)
    #expect(fault["last"]?.bool == true)
    let cookie = try #require(group["cookie"]?.number)
    let members = "\"responses\":[{\"cookie\":\(cookie),\"code\":\"success\"}]"
    let responses = "fault-queues/\(queue)/responses"
    #expect(try kernel.post(responses, members)["bytes"]?.number == 8)
    #expect(try kernel.post(responses, members).errno == "EINVAL")
  }
}
