// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@Suite("System calls, in the bytes of the kernel's ABI")
struct IoctlTests {
  /// A call, and the errno of its refusal.
  private struct Case {
    let claim: String
    let call: Ioctl
    let errno: String?

    init(_ claim: String, _ call: Ioctl, _ errno: String?) {
      self.claim = claim
      self.call = call
      self.errno = errno
    }
  }

  private static let nowhere: UInt32 = 0x7ff_fff0

  /// What every command checks first.
  private static let common: [Case] = [
    Case("no command has that number", Ioctl(0x3b96, Little.u32(8, 0)), "ENOTTY"),
    Case("the type byte counts", Ioctl(0x81, Little.u32(12, 0, 0)), "ENOTTY"),
    Case("an argument is needed", Ioctl(0x3b81, nil), "EFAULT"),
    Case("of four bytes at least", Ioctl(0x3b81, "0c00"), "EFAULT"),
    Case("the size is the first version's", Ioctl(0x3b81, Little.u32(8, 0, 0)), "EINVAL"),
    Case("and all of it is there", Ioctl(0x3b81, Little.u32(12, 0)), "EFAULT"),
    Case("a longer one has nothing more in it", Ioctl(0x3b81, Little.u32(16, 0, 0, 1)), "E2BIG"),
    Case("but may be longer", Ioctl(0x3b81, Little.u32(16, 0, 0, 0)), nil),
    Case("a taken name", Ioctl(0x3b81, Little.u32(12, 0, 0), id: "ram"), "EEXIST"),
  ]

  /// Commands on the world of `furnishMock`.
  private static let commands: [Case] = [
    Case("nothing to destroy", Ioctl(0x3b80, Little.u32(8, nowhere)), "ENOENT"),
    Case("a device is its owner's", Ioctl(0x3b80, Little.u32(8, 2)), "EBUSY"),
    Case("an IOAS with a domain", Ioctl(0x3b80, Little.u32(8, 3)), "EBUSY"),
    Case("IOAS_ALLOC has no flags", Ioctl(0x3b81, Little.u32(12, 1, 0)), "EOPNOTSUPP"),
    Case(
      "a domain needs its device", Ioctl(0x3b89, Little.u32(24, 0, nowhere, 3, 0, 0)), "ENOENT"),
    Case(
      "and its page table", Ioctl(0x3b89, Little.u32(24, 0, 2, nowhere, 0, 0)), "EINVAL"),
    Case("a device is none", Ioctl(0x3b89, Little.u32(24, 0, 2, 2, 0, 0)), "EINVAL"),
    Case("a flag of no domain", Ioctl(0x3b89, Little.u32(24, 0x80, 2, 3, 0, 0)), "EOPNOTSUPP"),
    Case("a reserved word", Ioctl(0x3b89, Little.u32(24, 0, 2, 3, 0, 1)), "EOPNOTSUPP"),
    Case(
      "data of a type and no length",
      Ioctl(0x3b89, Little.u32(48, 0, 2, 4, 0, 0, 0xdead, 0) + Little.u64(0, 0)), "EINVAL"),
    Case(
      "data that is not handed over",
      Ioctl(0x3b89, Little.u32(48, 0, 2, 4, 0, 0, 0xdead, 4) + Little.u64(0x1000, 0)), "EFAULT"),
    Case(
      "data of another driver",
      Ioctl(
        0x3b89, Little.u32(48, 0, 2, 4, 0, 0, 2, 4) + Little.u64(0x1000, 0),
        memory: [(0x1000, "2a000000")]), "EOPNOTSUPP"),
    Case(
      "a vIOMMU of another driver",
      Ioctl(0x3b90, Little.u32(24, 0, 1, 2, 4, 0)), "EOPNOTSUPP"),
    Case("of no type", Ioctl(0x3b90, Little.u32(24, 0, 0, 2, 4, 0)), "EOPNOTSUPP"),
    Case("on no domain", Ioctl(0x3b90, Little.u32(24, 0, 0xdead_beef, 2, 3, 0)), "ENOENT"),
    Case(
      "a vdev needs its vIOMMU", Ioctl(0x3b91, Little.u32(24, nowhere, 2, 0) + Little.u64(1)),
      "ENOENT"),
    Case(
      "a veventq needs its vIOMMU",
      Ioctl(0x3b93, Little.u32(32, 0, nowhere, 7, 4, 0, 0, 0)), "ENOENT"),
    Case("a veventq has a depth", Ioctl(0x3b93, Little.u32(32, 0, 4, 7, 0, 0, 0, 0)), "EINVAL"),
    Case(
      "a ring that wraps",
      Ioctl(0x3b94, Little.u32(40, 0, nowhere, 0xdead_beef, 0, 0) + Little.u64(.max, 2)),
      "EOVERFLOW"),
    Case("a fault queue has no flags", Ioctl(0x3b8e, Little.u32(16, 1, 0, 0)), "EOPNOTSUPP"),
    Case(
      "information of another type",
      Ioctl(
        0x3b8a, Little.u32(40, 1, 2, 0) + Little.u64(0) + Little.u32(2, 0) + Little.u64(0)),
      "EOPNOTSUPP"),
    Case(
      "a mapping that nobody may touch",
      Ioctl(0x3b85, Little.u32(40, 1, 3, 0) + Little.u64(0x1000, 0x1000, 0x200_0000)), "EINVAL"),
    Case(
      "more room than there is", Ioctl(0x3b84, Little.u32(32, 3, 0, 0) + Little.u64(0, 0)),
      "EMSGSIZE"),
    Case("an unknown option", Ioctl(0x3b87, Little.u32(24, 7, 1, 0) + Little.u64(0)), "EOPNOTSUPP"),
    Case(
      "huge pages, on or off", Ioctl(0x3b87, Little.u32(24, 1, 0, 3) + Little.u64(2)), "EINVAL"),
    Case("accounting comes first", Ioctl(0x3b87, Little.u32(24, 0, 0, 0) + Little.u64(1)), "EBUSY"),
    Case("no container stands there", Ioctl(0x3b88, Little.u32(12, 0, 0)), "ENODEV"),
    Case(
      "no file is mapped", Ioctl(0x3b8f, Little.u32(40, 2, 3, 0) + Little.u64(0, 1, 0)), "EBADF"),
    Case(
      "invalidations go to a nested domain",
      Ioctl(0x3b8d, Little.u32(32, 4) + Little.u64(0) + Little.u32(0, 0, 0, 0)), "EINVAL"),
    Case(
      "a parent domain that tracks nothing", Ioctl(0x3b8b, Little.u32(16, 1, 4, 0)), "EOPNOTSUPP"),
    Case("every device has an IOMMU", Ioctl(0x3b95, Little.u32(40) + zeros(36)), "EOPNOTSUPP"),
  ]

  private static func zeros(_ count: Int) -> String { String(repeating: "00", count: count) }

  @Test(
    "Each call gets the kernel's errno, and a refused one changes nothing",
    arguments: Transport.allCases)
  func refusals(_ transport: Transport) throws {
    let api = try API(transport).furnishMock()
    try api.refuse(
      (IoctlTests.common + IoctlTests.commands).map {
        Attempt($0.claim, "POST", "contexts/default/ioctl", $0.call.body, $0.errno)
      })
    #expect(try api.call(Ioctl(0x3b81, Little.u32(12, 0, 0)), context: "no").status == 404)
  }

  @Test(
    "A refusal points into the body, and names the struct's field", arguments: Transport.allCases)
  func places(_ transport: Transport) throws {
    let api = try API(transport).furnishMock()
    func fault(_ call: Ioctl) throws -> JSON { try api.call(call).json["errors"][0] }
    let destroy = try fault(Ioctl(0x3b80, Little.u32(8, 99)))
    #expect(destroy["pointer"].string == "/argument")
    #expect(destroy["detail"].string?.hasPrefix("id: ") == true)
    #expect(try fault(Ioctl(0x3b96, nil))["pointer"].string == "/number")
    #expect(
      try fault(Ioctl(0x3b81, Little.u32(12, 0, 0), id: "ram"))["pointer"].string == "/id")
  }

  @Test("A body that is no call is refused for its form", arguments: Transport.allCases)
  func forms(_ transport: Transport) throws {
    let api = try API(transport)
    for (body, pointer) in [
      ("{}", "/number"), (#"{"number":4294967296}"#, "/number"),
      (#"{"number":1,"argument":"0"}"#, "/argument"),
      (#"{"number":1,"argument":"0x00"}"#, "/argument"),
      (#"{"number":1,"memory":[{"address":1}]}"#, "/memory/0/bytes"),
      (#"{"number":1,"memory":[{"address":1,"bytes":"","size":0}]}"#, "/memory/0/size"),
      (#"{"number":1,"id":"Upper"}"#, "/id"),
    ] {
      let problem = try api.post("/v1/contexts/default/ioctl", body).json
      #expect(problem["errors"][0]["pointer"].string == pointer, "\(body)")
    }
  }

  @Test(
    "What a call makes has an ID in the argument and a name in the answer",
    arguments: Transport.allCases)
  func making(_ transport: Transport) throws {
    let api = try API(transport).furnishMock()
    // A VMM's life in calls: memory, a parent, a vIOMMU, a vdev, a nested domain, queues.
    let steps: [(kind: String, idAt: Int, id: UInt32, call: Ioctl)] = [
      ("ioas", 8, 5, Ioctl(0x3b81, Little.u32(12, 0, 0))),
      ("domain", 16, 6, Ioctl(0x3b89, Little.u32(24, 1, 2, 5, 0, 0))),
      ("viommu", 20, 7, Ioctl(0x3b90, Little.u32(24, 0, 0xdead_beef, 2, 6, 0))),
      ("vdev", 12, 8, Ioctl(0x3b91, Little.u32(24, 7, 2, 0) + Little.u64(0x99))),
      ("domain", 16, 9, nested(on: 7)),
      ("domain", 16, 10, nested(on: 6)),
      ("veventq", 20, 11, Ioctl(0x3b93, Little.u32(32, 0, 7, 0xbeef_beef, 4, 0, 0, 0))),
      ("fault-queue", 8, 12, Ioctl(0x3b8e, Little.u32(16, 0, 0, 0))),
    ]
    for step in steps {
      let answer = try api.call(step.call)
      #expect(answer.status == 200, "\(step.kind): \(answer.text)")
      let created = answer.json["created"]
      #expect(created["kind"].string == step.kind)
      #expect(Little.u32(of: answer.json["argument"].string, at: step.idAt) == step.id)
      let shown = try api.get(created["self"].string ?? "/")
      #expect(shown.json["object_id"].int == Int(step.id))
    }
    #expect(try api.get("/v1/veventqs/veventq-1").json["file"].string == "open")
    #expect(try api.errno("POST", "/v1/contexts/default/ioctl", destroy(11).body) == "EBUSY")
    try api.delete("/v1/veventqs/veventq-1/file")
    for id: UInt32 in [11, 10, 9, 8, 7, 6, 5] {
      let answer = try api.call(destroy(id))
      #expect(answer.status == 200 && answer.json["created"].isNull, "\(id): \(answer.text)")
    }
    // What the self-test keeps beside its device: its end unplugs the device.
    #expect(try api.call(destroy(1)).status == 200)
    #expect(try api.get("/v1/devices/dut0").status == 404)
  }

  private func destroy(_ id: UInt32) -> Ioctl { Ioctl(0x3b80, Little.u32(8, id)) }

  private func nested(on id: UInt32) -> Ioctl {
    Ioctl(
      0x3b89, Little.u32(48, 0, 2, id, 0, 0, 0xdead, 4) + Little.u64(0x1000) + Little.u64(0),
      memory: [(0x1000, Little.u32(0x2a))])
  }

  private func invalidate(_ id: UInt32, _ entries: [String]) -> Ioctl {
    let length = UInt32(entries[0].utf8.count / 2)
    return Ioctl(
      0x3b8d,
      Little.u32(32, id) + Little.u64(0x1000)
        + Little.u32(0xdead_beef, length, UInt32(entries.count), 0),
      memory: [(0x1000, entries.joined())])
  }

  @Test(
    "Invalidations stand up to the one that is refused, and the answer says how many",
    arguments: Transport.allCases)
  func invalidations(_ transport: Transport) throws {
    let api = try API(transport).furnishMock()
    #expect(try api.call(nested(on: 4)).status == 200)
    func words() throws -> String {
      try api.get("/v1/domains/domain-1").json["hardware"]["iotlb"].description
    }
    let half = try api.call(
      invalidate(5, [Little.u32(0, 1), Little.u32(0, 4), Little.u32(0, 2)]))
    #expect(half.status == 422)
    #expect(half.json["instance"].string == "/v1/contexts/default/ioctl")
    #expect(half.json["errors"][0]["pointer"].string == "/argument")
    #expect(Little.u32(of: half.json["argument"].string, at: 24) == 1)
    #expect(half.json["memory"][0]["address"].string == "0x1000")
    #expect(half.json["created"].isNull)
    #expect(try words() == #"["0x2a","0x0","0x2a","0x2a"]"#)
    let tag = try api.get("/v1/domains/domain-1")["ETag"] ?? ""
    let whole = try api.call(invalidate(5, [Little.u32(1, 0)]))
    #expect(Little.u32(of: whole.json["argument"].string, at: 24) == 1)
    #expect(try words() == #"["0x0","0x0","0x0","0x0"]"#)
    #expect(try api.get("/v1/domains/domain-1", headers: ["If-None-Match": tag]).status == 200)
  }

  @Test(
    "A call that is only tried, or part of a batch that fails, leaves nothing",
    arguments: Transport.allCases)
  func undone(_ transport: Transport) throws {
    let api = try API(transport).furnishMock()
    #expect(try api.call(nested(on: 4)).status == 200)
    let before = api.plane.defaultDigest
    let body = invalidate(5, [Little.u32(0, 1), Little.u32(0, 4)]).body
    let path = "/v1/contexts/default/ioctl"
    #expect(try api.errno("POST", path + "?dry_run=true", body) == "EINVAL")
    let tried = try api.post(path + "?dry_run=true", Ioctl(0x3b81, Little.u32(12, 0, 0)).body)
    #expect(tried.json["created"]["id"].string == "ioas-1")
    #expect(api.plane.defaultDigest == before)
    let batch = try api.post(
      "/v1/batch", #"{"operations":[{"method":"POST","path":"\#(path)","body":\#(body)}]}"#)
    #expect(batch.json["operation"].string == "/operations/0")
    #expect(Little.u32(of: batch.json["argument"].string, at: 24) == 1)
    #expect(api.plane.defaultDigest == before)
  }

  @Test(
    "Information is cut to the room there is, and its length is told",
    arguments: Transport.allCases)
  func information(_ transport: Transport) throws {
    let api = try API(transport).furnishMock()
    func info(_ room: UInt32) throws -> JSON {
      try api.call(
        Ioctl(
          0x3b8a,
          Little.u32(40, 0, 2, room) + Little.u64(0x1000) + Little.u32(0, 0) + Little.u64(0),
          memory: [(0x1000, String(repeating: "ff", count: 12))])
      ).json
    }
    let short = try info(6)
    #expect(short["memory"][0]["bytes"].string == "00000000efbeffffffffffff")
    #expect(Little.u32(of: short["argument"].string, at: 12) == 8)
    #expect(Little.u32(of: short["argument"].string, at: 24) == 0xfeed_beef)
    #expect(try info(12)["memory"][0]["bytes"].string == "00000000efbeadde00000000")
  }
}
