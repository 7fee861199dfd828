// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("veventqs, fault queues and hw-queues")
struct QueueTests {
  private func guest(_ transport: Transport, depth: Int) throws -> API {
    let api = try API(transport).furnish()
    try api.makeVDev()
    try api.makeNested()
    try api.makeQueue(depth: depth)
    try api.attach("n0")
    return api
  }

  private func read(_ api: API, _ query: String = "") throws -> [(Int, Bool)] {
    try api.get("/v1/veventqs/q0/events\(query)").json["items"].array.map {
      ($0["sequence"].int!, $0["lost_events"].bool!)
    }
  }

  @Test(
    "53. A full queue ends in one lost-events header with the newest lost number",
    arguments: Transport.allCases)
  func overflow(_ transport: Transport) throws {
    let api = try guest(transport, depth: 2)
    for _ in 0..<5 { #expect(try api.raise()["disposition"].string == "forwarded") }
    let status = try api.get("/v1/veventqs/q0").json
    #expect(status["pending"].int == 2)
    #expect(status["lost_events"].bool == true)
    #expect(try read(api).map(\.0) == [0, 1, 4])
    #expect(try read(api).isEmpty)
  }

  @Test(
    "54. The next stored event replaces the header, and the gap shows the loss",
    arguments: Transport.allCases)
  func gap(_ transport: Transport) throws {
    let api = try guest(transport, depth: 2)
    for _ in 0..<3 { try api.raise() }
    #expect(try read(api, "?count=40").map(\.0) == [0])
    try api.raise()
    let rest = try read(api)
    #expect(rest.map(\.0) == [1, 3])
    #expect(rest.allSatisfy { !$0.1 })
  }

  @Test(
    "56, 57. A read names a buffer that has room for the first entry", arguments: Transport.allCases
  )
  func buffers(_ transport: Transport) throws {
    let api = try guest(transport, depth: 1)
    let path = "/v1/veventqs/q0/events"
    #expect(try api.errno("GET", path + "?count=7") == "EINVAL")
    #expect(try read(api, "?count=8").isEmpty)
    try api.raise()
    try api.raise()
    #expect(try api.errno("GET", path + "?count=8") == "EINVAL")
    #expect(try read(api, "?count=40").map(\.1) == [false])
    #expect(try read(api, "?count=8").map(\.1) == [true])
    #expect(try api.errno("GET", path + "?count=40&limit=1") == "EINVAL")
  }

  @Test("HEAD and a reader's tag leave the queue as it is", arguments: Transport.allCases)
  func head(_ transport: Transport) throws {
    let api = try guest(transport, depth: 2)
    let tag = try api.get("/v1/veventqs/q0")["ETag"]!
    #expect(try api.get("/v1/veventqs/q0", headers: ["If-None-Match": tag]).status == 304)
    try api.raise()
    #expect(try api.get("/v1/veventqs/q0", headers: ["If-None-Match": tag]).status == 200)
    #expect(try api.send("HEAD", "/v1/veventqs/q0/events").status == 200)
    #expect(try read(api).count == 1)
  }

  @Test("33. One queue of a type on a vIOMMU", arguments: Transport.allCases)
  func oneOfAType(_ transport: Transport) throws {
    let api = try guest(transport, depth: 2)
    let body = #"{"viommu":"v0","type":"arm-smmuv3","depth":2}"#
    #expect(try api.errno("POST", "/v1/veventqs", body) == "EEXIST")
    #expect(try api.delete("/v1/veventqs/q0").status == 200)
    #expect(try api.post("/v1/veventqs", body).json["next_sequence"].int == 0)
  }

  @Test(
    "58, 116. Page faults are read in groups, answered once, and end with the attachment",
    arguments: Transport.allCases)
  func faults(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeVDev()
    try api.make("fault-queues", #"{"id":"f0"}"#)
    try api.make(
      "domains",
      #"{"id":"n0","type":"nested","device":"gpu0","viommu":"v0","ste":\#(STE.translating),"fault_queue":"f0"}"#
    )
    let path = "/v1/devices/gpu0/page-requests"
    let group = #"{"group":3,"pages":[{"address":"0x1234"},{"address":"0x5000","write":true}]}"#
    #expect(try api.post(path, group).json["fault_queue"].isNull)
    try api.attach("n0")
    #expect(try api.post(path, group).json["fault_queue"].string == "f0")
    let faults = "/v1/fault-queues/f0/faults"
    #expect(try api.errno("GET", faults + "?count=39") == "ESPIPE")
    #expect(try api.errno("GET", faults + "?count=40") == "EINVAL")
    let item = try api.get(faults + "?count=80").json["items"][0]
    #expect(item["cookie"].int == 1)
    #expect(item["faults"][0]["address"].string == "0x1234")
    #expect(item["faults"].array.map { $0["last"].bool } == [false, true])
    let answers = "/v1/fault-queues/f0/responses"
    #expect(
      try api.errno("POST", answers, #"{"responses":[{"cookie":9,"code":"success"}]}"#) == "EINVAL")
    #expect(
      try api.post(answers, #"{"responses":[{"cookie":1,"code":"success"}]}"#).json["answered"].int
        == 1)
    #expect(
      try api.errno("POST", answers, #"{"responses":[{"cookie":1,"code":"success"}]}"#) == "EINVAL")
    try api.post(path, group)
    _ = try api.get(faults)
    try api.post(path, group)
    #expect(try api.errno("DELETE", "/v1/fault-queues/f0") == "EBUSY")
    try api.delete("/v1/devices/gpu0/attachment")
    #expect(
      try api.errno("POST", answers, #"{"responses":[{"cookie":1,"code":"success"}]}"#) == "EINVAL")
    #expect(try api.get(faults).json["items"].array.isEmpty)
  }

  @Test(
    "86, 88-91. A vIOMMU of CMDQV has an interface, queues in order and SID slots",
    arguments: Transport.allCases)
  func cmdqv(_ transport: Transport) throws {
    let api = try API(transport).furnish(type: "tegra241-cmdqv")
    let viommu = try api.get("/v1/viommus/v0").json["hardware"]
    #expect(viommu["vintf"].int == 1)
    #expect(viommu["mmap_offset"].string == "0x1000")
    for index in 2...3 {
      try api.make(
        "viommus", #"{"id":"v\#(index)","type":"tegra241-cmdqv","device":"gpu0","domain":"s2"}"#)
    }
    let body = #"{"type":"tegra241-cmdqv","device":"gpu0","domain":"s2"}"#
    #expect(try api.errno("POST", "/v1/viommus", body) == "ENOSPC")
    func queue(_ index: Int, iova: String = "0x100000", length: String = "0x10000") throws
      -> String?
    {
      try api.errno(
        "POST", "/v1/hw-queues",
        #"{"id":"h\#(index)","viommu":"v0","type":"tegra241-cmdqv","index":\#(index),"iova":"\#(iova)","length":"\#(length)"}"#
      )
    }
    #expect(try queue(9) == "ENOENT")
    try api.post(
      "/v1/ioas/ram/map", #"{"iova":"0x100000","length":"0x100000","physical":"0x90000000"}"#)
    #expect(try queue(9) == "EINVAL")
    #expect(try queue(1) == "EIO")
    #expect(try queue(0, length: "0x30") == "EINVAL")
    #expect(try queue(0, iova: "0x101000") == "EINVAL")
    #expect(try queue(0) == nil)
    #expect(try queue(0) == "EEXIST")
    #expect(try queue(1, iova: "0x110000") == nil)
    #expect(
      try api.errno("POST", "/v1/ioas/ram/unmap", #"{"iova":"0x100000","length":"0x100000"}"#)
        == "EBUSY")
    let refused = try api.delete("/v1/hw-queues/h0")
    #expect(refused.json["pinned_by"][0].key == "hw-queue/h1")
    #expect(try api.delete("/v1/hw-queues/h1").status == 200)
    #expect(try api.delete("/v1/hw-queues/h0").status == 200)
    #expect(
      try api.post("/v1/ioas/ram/unmap", #"{"iova":"0x100000","length":"0x100000"}"#).json[
        "unmapped"
      ].string == "0x100000")
    #expect(
      try api.errno("POST", "/v1/vdevs", #"{"viommu":"v0","device":"gpu0","virt_id":"0x100000"}"#)
        == "EINVAL")
  }

  @Test(
    "91. The SID slots of an interface run out, and the lowest free one is used again",
    arguments: Transport.allCases)
  func sidSlots(_ transport: Transport) throws {
    let api = try API(transport).furnish(type: "tegra241-cmdqv")
    for index in 0...16 {
      try api.make("devices", #"{"id":"d\#(index)","smmu":"smmu0","stream_id":\#(index)}"#)
    }
    for index in 0...15 {
      try api.makeVDev("vd\(index)", device: "d\(index)", virtID: "0x\(String(index, radix: 16))")
    }
    let body = #"{"viommu":"v0","device":"d16","virt_id":99}"#
    #expect(try api.errno("POST", "/v1/vdevs", body) == "ENOSPC")
    try api.delete("/v1/vdevs/vd5")
    #expect(try api.post("/v1/vdevs", body).json["hardware"]["sid_slot"].int == 5)
  }

  @Test(
    "Mappings do not overlap, split or leave what domains translate", arguments: Transport.allCases)
  func mappings(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    func map(_ body: String) throws -> String? { try api.errno("POST", "/v1/ioas/ram/map", body) }
    #expect(try map(#"{"iova":"0x1000","length":"0x2000"}"#) == nil)
    #expect(try map(#"{"iova":"0x2000","length":"0x1000"}"#) == "EEXIST")
    #expect(try map(#"{"iova":"0x1800","length":"0x1000"}"#) == "EINVAL")
    #expect(try map(#"{"iova":"0x5000","length":0}"#) == "EINVAL")
    #expect(try map(#"{"iova":"0x1000000000000","length":"0x1000"}"#) == "EINVAL")
    #expect(try map(#"{"iova":"0xffffffffffffffff","length":"0x1000"}"#) == "EOVERFLOW")
    #expect(
      try map(#"{"iova":"0x5000","length":"0x1000","readable":false,"writable":false}"#) == "EINVAL"
    )
    #expect(
      try api.post("/v1/ioas/ram/map", #"{"length":"0x1000"}"#).json["iova"].string == "0x3000")
    let unmap = "/v1/ioas/ram/unmap"
    #expect(try api.errno("POST", unmap, #"{"iova":"0x1000","length":"0x1000"}"#) == "ENOENT")
    #expect(try api.errno("POST", unmap, #"{"iova":"0x9000","length":"0x1000"}"#) == "ENOENT")
    #expect(try api.get("/v1/ioas/ram/mappings?limit=1").json["next"].string == "0x3000")
    #expect(
      try api.post(unmap, #"{"iova":0,"length":"0xffffffffffffffff"}"#).json["unmapped"].string
        == "0x3000")
    #expect(try api.get("/v1/ioas/ram/mappings").json["items"].array.isEmpty)
  }
}
