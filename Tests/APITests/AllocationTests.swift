// SPDX-License-Identifier: Apache-2.0
import Testing

/// A request that is refused, and the errno.
struct Refusal: Sendable, CustomStringConvertible {
  let claim: String
  let collection: String
  let body: String
  let errno: String?

  init(_ claim: String, _ collection: String, _ body: String, _ errno: String?) {
    self.claim = claim
    self.collection = collection
    self.body = body
    self.errno = errno
  }

  var description: String { claim }
}

@Suite("Allocation, checks in the kernel's order")
struct AllocationTests {
  private static func domain(_ fields: String) -> String {
    #"{"type":"paging","device":"gpu0","ioas":"ram"\#(fields)}"#
  }
  private static func nested(_ ste: String, _ fields: String = "") -> String {
    #"{"type":"nested","device":"gpu0","viommu":"v0","ste":\#(ste)\#(fields)}"#
  }

  static let cases: [Refusal] = [
    Refusal(
      "21. a bad page table and a bad device are ENOENT", "domains",
      #"{"type":"paging","device":"no","ioas":"no"}"#, "ENOENT"),
    Refusal(
      "21. a bad page table alone is EINVAL", "domains",
      #"{"type":"paging","device":"gpu0","ioas":"no"}"#, "EINVAL"),
    Refusal(
      "21. a bad vIOMMU alone is EINVAL", "domains",
      #"{"type":"nested","device":"gpu0","viommu":"no","ste":[1,0]}"#, "EINVAL"),
    Refusal(
      "24. a nesting parent takes no faults", "domains",
      domain(#","nest_parent":true,"fault_queue":"no""#), "EOPNOTSUPP"),
    Refusal(
      "24. a nesting parent tracks nothing dirty", "domains",
      domain(#","nest_parent":true,"dirty_tracking":true"#), "EOPNOTSUPP"),
    Refusal(
      "24. a nesting parent has no PASIDs", "domains", domain(#","nest_parent":true,"pasid":true"#),
      "EOPNOTSUPP"),
    Refusal("a bad fault queue shows last", "domains", domain(#","fault_queue":"no""#), "ENOENT"),
    Refusal(
      "a bad guest entry hides a bad fault queue", "domains",
      nested(#"["0x2000000000005","0x100000000000"]"#, #","fault_queue":"no""#), "EIO"),
    Refusal(
      "26. a nested domain takes no pasid flag", "domains",
      nested(STE.translating, #","pasid":true"#), "EOPNOTSUPP"),
    Refusal("27. a guest entry has two words", "domains", nested("[1]"), "EINVAL"),
    Refusal(
      "28. an invalid entry is accepted whatever is in it", "domains", nested(STE.invalid), nil),
    Refusal("29. SHCFG is not the guest's", "domains", nested(#"["0xb","0x100000000000"]"#), "EIO"),
    Refusal("29. Config 6 is not the guest's", "domains", nested(#"["0xd","0x0"]"#), "EIO"),
    Refusal("29. Config 7 is not the guest's", "domains", nested(#"["0xf","0x0"]"#), "EIO"),
    Refusal("29. EATS 2 is not the guest's", "domains", nested(#"["0xb","0x20000000"]"#), "EIO"),
    Refusal("EATS 1 is", "domains", nested(#"["0xb","0x10000000"]"#), nil),
    Refusal(
      "30. a plain domain is no parent", "viommus",
      #"{"type":"arm-smmuv3","device":"gpu0","domain":"plain"}"#, "EINVAL"),
    Refusal(
      "30. a nested domain is not found as one", "viommus",
      #"{"type":"arm-smmuv3","device":"gpu0","domain":"n"}"#, "ENOENT"),
    Refusal(
      "30. a type it lacks wins over a bad domain", "viommus",
      #"{"type":"tegra241-cmdqv","device":"nic0","domain":"no"}"#, "EOPNOTSUPP"),
    Refusal(
      "a missing device wins over that", "viommus",
      #"{"type":"tegra241-cmdqv","device":"no","domain":"no"}"#, "ENOENT"),
    Refusal(
      "31. no vIOMMU without FWB", "viommus",
      #"{"type":"arm-smmuv3","device":"nic0","domain":"s2"}"#, "EOPNOTSUPP"),
    Refusal(
      "32. a device behind another SMMU is EINVAL", "vdevs",
      #"{"viommu":"v0","device":"nic0","virt_id":1}"#, "EINVAL"),
    Refusal(
      "a vIOMMU is looked up before the device", "vdevs",
      #"{"viommu":"no","device":"no","virt_id":1}"#, "ENOENT"),
    Refusal(
      "32. one vdev a device", "vdevs", #"{"viommu":"v0","device":"gpu1","virt_id":2}"#, "EEXIST"),
    Refusal(
      "32. one vdev a virtual ID", "vdevs", #"{"viommu":"v0","device":"gpu0","virt_id":"0x11"}"#,
      "EEXIST"),
    Refusal(
      "99. a device with two streams has no vdev", "vdevs",
      #"{"viommu":"v0","device":"twin","virt_id":"0x12"}"#, "EOPNOTSUPP"),
    Refusal(
      "100. a virtual ID of 40 bits is taken", "vdevs",
      #"{"viommu":"v0","device":"gpu0","virt_id":"0x10000000000"}"#, nil),
    Refusal("33. depth 0", "veventqs", #"{"viommu":"v0","type":"arm-smmuv3","depth":0}"#, "EINVAL"),
    Refusal(
      "33. depth 2^19 + 1, before the vIOMMU is looked up", "veventqs",
      #"{"viommu":"no","type":"arm-smmuv3","depth":524289}"#, "EINVAL"),
    Refusal(
      "33. depth 2^19", "veventqs", #"{"viommu":"v0","type":"arm-smmuv3","depth":524288}"#, nil),
    Refusal(
      "34. a ring of no bytes", "hw-queues",
      #"{"viommu":"no","type":"tegra241-cmdqv","index":0,"iova":0,"length":0}"#, "EINVAL"),
    Refusal(
      "34. a ring that wraps", "hw-queues",
      #"{"viommu":"no","type":"tegra241-cmdqv","index":0,"iova":"0xffffffffffffffff","length":2}"#,
      "EOVERFLOW"),
    Refusal(
      "a vIOMMU without queues", "hw-queues",
      #"{"viommu":"v0","type":"tegra241-cmdqv","index":0,"iova":0,"length":4096}"#, "EOPNOTSUPP"),
    Refusal("a taken stream ID", "devices", #"{"smmu":"smmu0","stream_id":66}"#, "ENODEV"),
    Refusal(
      "a stream ID beyond the table", "devices", #"{"smmu":"smmu0","stream_id":65536}"#, "ERANGE"),
    Refusal("a taken name", "devices", #"{"id":"gpu0","smmu":"smmu0","stream_id":99}"#, "EEXIST"),
  ]

  /// A host with what the cases refer to.
  private func world(_ transport: Transport) throws -> API {
    let api = try API(transport).furnish()
    try api.make("smmus", #"{"id":"old","cmdqv":null,"features":{"fwb":false}}"#)
    try api.make("devices", #"{"id":"nic0","smmu":"old","stream_id":1}"#)
    try api.make("devices", #"{"id":"gpu1","smmu":"smmu0","stream_id":67}"#)
    try api.make("devices", #"{"id":"twin","smmu":"smmu0","stream_id":68,"alias_stream_ids":[69]}"#)
    try api.make("domains", #"{"id":"plain","type":"paging","device":"gpu0","ioas":"ram"}"#)
    try api.makeNested("n")
    try api.makeVDev("vd1", device: "gpu1", virtID: "0x11")
    return api
  }

  @Test(
    "Each case gets the kernel's errno, and a refused one changes nothing",
    arguments: Transport.allCases)
  func allCases(_ transport: Transport) throws {
    let api = try world(transport)
    for each in AllocationTests.cases {
      let before = api.plane.defaultDigest
      let answer = try api.post("/v1/" + each.collection, each.body)
      let errno = answer.status < 400 ? nil : answer.json["errno"].string
      #expect(errno == each.errno, "\(each.claim): \(answer.text)")
      if answer.status < 400 {
        #expect(try api.delete(answer["Location"]!).status == 200)
      } else {
        #expect(api.plane.defaultDigest == before, "\(each.claim)")
      }
    }
  }

  @Test(
    "4, 5. Object IDs are the lowest free ones, and a failed allocation uses none",
    arguments: Transport.allCases)
  func objectIDs(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    func id(_ path: String) throws -> Int? { try api.get("/v1/" + path).json["object_id"].int }
    #expect(try ["devices/gpu0", "ioas/ram", "domains/s2", "viommus/v0"].map(id) == [1, 2, 3, 4])
    #expect(try api.post("/v1/vdevs", #"{"viommu":"v0","device":"no","virt_id":1}"#).status == 422)
    try api.make("ioas", #"{"id":"a"}"#)
    try api.make("ioas", #"{"id":"b"}"#)
    #expect(try api.delete("/v1/ioas/a").status == 200)
    try api.make("ioas", #"{"id":"c"}"#)
    #expect(try ["ioas/b", "ioas/c"].map(id) == [6, 5])
  }

  @Test("Server names are counted by kind and never used twice", arguments: Transport.allCases)
  func names(_ transport: Transport) throws {
    let api = try API(transport)
    func name() throws -> String? { try api.post("/v1/ioas").json["id"].string }
    #expect(try name() == "ioas-1")
    #expect(try api.delete("/v1/ioas/ioas-1").status == 200)
    #expect(try name() == "ioas-2")
    #expect(try api.post("/v1/ioas?dry_run=true").json["id"].string == "ioas-3")
    try api.make("ioas", #"{"id":"ioas-7"}"#)
    #expect(try api.delete("/v1/ioas/ioas-7").status == 200)
    #expect(try name() == "ioas-8")
  }

  @Test(
    "PUT makes an object, finds the same again, and refuses another", arguments: Transport.allCases)
  func put(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    let body = #"{"viommu":"v0","device":"gpu0","virt_id":"0x10"}"#
    #expect(try api.put("/v1/vdevs/vd0", body).status == 201)
    #expect(
      try api.put("/v1/vdevs/vd0", #"{"virt_id":16,"device":"gpu0","viommu":"v0"}"#).status == 200)
    let other = try api.put("/v1/vdevs/vd0", #"{"viommu":"v0","device":"gpu0","virt_id":17}"#)
    #expect(other.status == 409)
    #expect(other.json["code"].string == "exists")
    for (path, again) in [
      ("smmus/smmu0", "{}"), ("contexts/default", "{}"), ("ioas/ram", "{}"),
      ("devices/gpu0", #"{"smmu":"smmu0","stream_id":66,"ats":true}"#),
      ("domains/s2", #"{"type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}"#),
      ("viommus/v0", #"{"type":"arm-smmuv3","device":"gpu0","domain":"s2"}"#),
    ] {
      #expect(try api.put("/v1/" + path, again).status == 200, "\(path)")
    }
  }

  @Test("A body's faults come all at once, each with its place", arguments: Transport.allCases)
  func faults(_ transport: Transport) throws {
    let api = try API(transport)
    let answer = try api.post(
      "/v1/vdevs", #"{"viommu":7,"virt_id":"0x1g","a/b":1,"id":"UPPER","id":"x"}"#)
    #expect(answer.status == 422)
    #expect(
      answer.json["errors"].array.map { $0["pointer"].string! } == [
        "/id", "/viommu", "/device", "/virt_id", "/a~1b", "/id",
      ])
    #expect(try api.post("/v1/vdevs", "{").status == 400)
    #expect(try api.post("/v1/vdevs", "[]").status == 422)
    #expect(
      try api.send("POST", "/v1/ioas", "{}", headers: ["Content-Type": "text/plain"]).status == 415)
    #expect(try api.get("/v1/ioas?colour=red").json["errors"][0]["pointer"].string == "?colour")
    #expect(try api.get("/v1/ioas", headers: ["Accept": "image/png"]).status == 406)
    let method = try api.send("PATCH", "/v1/ioas/x", "{}")
    #expect(method.status == 405)
    #expect(method["Allow"] == "GET, HEAD, PUT, DELETE, OPTIONS")
    #expect(try api.send("OPTIONS", "/v1/ioas").status == 204)
    for path in ["/", "/nowhere", "/v1/ioas/x"] {
      let trace = try api.send("TRACE", path)
      #expect(trace.status == 405)
      #expect(trace["Allow"]?.contains("GET") == true)
    }
  }
}
