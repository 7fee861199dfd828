// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@Suite("Attach, replace, detach, and the way of an event")
struct AttachTests {
  private func guest(_ transport: Transport) throws -> API {
    let api = try API(transport).furnish()
    try api.makeVDev()
    try api.makeNested()
    try api.makeQueue()
    return api
  }

  private func events(_ api: API) throws -> [JSON] {
    try api.get("/v1/veventqs/q0/events").json["items"].array
  }

  private func ste(_ api: API) throws -> [String] {
    try api.get("/v1/devices/gpu0").json["hardware"]["ste"].array.compactMap(\.string)
  }

  @Test(
    "35. A translating attach without a vdev is ENOENT, and what was attached stays",
    arguments: Transport.allCases)
  func withoutVDev(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeNested()
    #expect(try api.attach("s2").status == 200)
    #expect(try api.attach("n0").json["errno"].string == "ENOENT")
    #expect(try api.get("/v1/devices/gpu0").json["attachment"]["domain"].string == "s2")
  }

  @Test(
    "36. Abort, bypass and invalid entries attach without a vdev, and nobody gets the events",
    arguments: Transport.allCases)
  func notTranslating(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    for (index, words) in [STE.abort, STE.bypass, STE.invalid].enumerated() {
      try api.makeNested("n\(index)", words)
      #expect(try api.attach("n\(index)").status == 200)
      #expect(try api.raise()["disposition"].string == "logged")
    }
  }

  @Test(
    "39. A nested entry is the guest's words over the parent's stage 2",
    arguments: Transport.allCases)
  func nestedEntry(_ transport: Transport) throws {
    let api = try guest(transport)
    let vmid = try api.get("/v1/domains/s2").json["hardware"]["vmid"].int!
    #expect(try api.attach("n0").status == 200)
    let words = try ste(api)
    #expect(words[0] == "0x1000000f")
    // MEV is bit 19, S2FWB bit 25; STRW and EATS are 0.
    #expect(words[1] == "0x2080000")
    #expect(UInt64(words[2].dropFirst(2), radix: 16)! & 0xffff == UInt64(vmid))
  }

  @Test("28. The entry of an invalid guest entry is a valid abort", arguments: Transport.allCases)
  func invalidEntry(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeNested("n", STE.invalid)
    #expect(try api.attach("n").status == 200)
    #expect(try ste(api) == ["0x1", "0x0", "0x0", "0x0", "0x0", "0x0", "0x0", "0x0"])
  }

  @Test(
    "40. A bypass entry is the parent's stage 2, with ATS whenever the device has it",
    arguments: Transport.allCases)
  func bypassEntry(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeNested("n", STE.bypass)
    #expect(try api.attach("n").status == 200)
    let words = try ste(api)
    #expect(UInt64(words[0].dropFirst(2), radix: 16)! >> 1 & 7 == 6)
    #expect(words[1] == "0x12000000")
  }

  @Test("41. A guest entry with EATS gets ATS", arguments: Transport.allCases)
  func eats(_ transport: Transport) throws {
    let api = try guest(transport)
    try api.makeNested("n1", #"["0x1000000b","0x10000000"]"#)
    #expect(try api.attach("n1").json["hardware"]["ats_enabled"].bool == true)
    #expect(try ste(api)[1] == "0x12080000")
    #expect(try api.attach("n0").json["hardware"]["ats_enabled"].bool == false)
  }

  @Test(
    "42. An event comes out with the virtual stream ID and nothing else changed",
    arguments: Transport.allCases)
  func forwarding(_ transport: Transport) throws {
    let api = try guest(transport)
    try api.attach("n0")
    let raised = try api.raise("0x123abcdef810", "0x12345")
    #expect(raised["disposition"].string == "forwarded")
    #expect(raised["viommu"].string == "v0")
    let event = try events(api)[0]
    #expect(event["sequence"].int == 0)
    // The upper half of the first word is the stream ID: 0x10 for the guest.
    #expect(event["data"].description == #"["0x10bcdef810","0x12345","0xdead000","0x0"]"#)
  }

  @Test(
    "43, 45, 46. What is a guest's own goes to the guest, the rest to the log",
    arguments: Transport.allCases)
  func predicate(_ transport: Transport) throws {
    let api = try guest(transport)
    try api.attach("n0")
    for id in ["0x4", "0x6", "0x8", "0xa", "0x10", "0x11", "0x12", "0x13"] {
      #expect(try api.raise(id)["disposition"].string == "forwarded", "\(id)")
      _ = try events(api)
    }
    for id in [
      "0x1", "0x2", "0x3", "0x5", "0x7", "0x9", "0xb", "0x20", "0x21", "0x24", "0x25", "0xff",
    ] {
      #expect(try api.raise(id)["errno"].string == "EOPNOTSUPP", "\(id)")
    }
    #expect(try api.raise("0x10", "0x8000000000")["errno"].string == "EOPNOTSUPP")
    #expect(try events(api).isEmpty)
    let logged = try api.get("/v1/events?type=smmu.event").lines.filter {
      $0["type"].string == "smmu.event"
    }
    #expect(logged.count == 13)
  }

  @Test(
    "44. A stalled transaction is a page fault, whatever stage it met",
    arguments: Transport.allCases)
  func stall(_ transport: Transport) throws {
    let api = try guest(transport)
    try api.attach("n0")
    #expect(try api.raise("0x10", "0x80000000")["errno"].string == "EINVAL")
    try api.make("fault-queues", #"{"id":"f0"}"#)
    try api.make(
      "domains",
      #"{"id":"n1","type":"nested","device":"gpu0","viommu":"v0","ste":\#(STE.translating),"fault_queue":"f0"}"#
    )
    try api.attach("n1")
    #expect(try api.raise("0x10", "0x8880000007")["disposition"].string == "faulted")
    let fault = try api.get("/v1/fault-queues/f0/faults").json["items"].array.last!
    #expect(fault["faults"][0]["group"].int == 7)
    #expect(fault["faults"][0]["read"].bool == true)
    #expect(try events(api).isEmpty)
  }

  @Test("47. After a replace by the parent nobody gets the events", arguments: Transport.allCases)
  func afterReplace(_ transport: Transport) throws {
    let api = try guest(transport)
    try api.attach("n0")
    try api.attach("s2")
    #expect(try api.raise()["disposition"].string == "logged")
    try api.attach("n0")
    #expect(try api.raise()["disposition"].string == "forwarded")
    try api.delete("/v1/devices/gpu0/attachment")
    #expect(try api.raise()["disposition"].string == "logged")
  }

  @Test("48. Two vIOMMUs on one SMMU get each its own", arguments: Transport.allCases)
  func twoGuests(_ transport: Transport) throws {
    let api = try guest(transport)
    try api.make("devices", #"{"id":"gpu1","smmu":"smmu0","stream_id":67}"#)
    try api.make("viommus", #"{"id":"v1","type":"arm-smmuv3","device":"gpu1","domain":"s2"}"#)
    try api.make("vdevs", #"{"viommu":"v1","device":"gpu1","virt_id":"0x20"}"#)
    try api.make(
      "domains",
      #"{"id":"m0","type":"nested","device":"gpu1","viommu":"v1","ste":\#(STE.translating)}"#)
    try api.make("veventqs", #"{"id":"q1","viommu":"v1","type":"arm-smmuv3","depth":4}"#)
    try api.attach("n0")
    try api.attach("m0", device: "gpu1")
    #expect(try api.raise(device: "gpu0")["viommu"].string == "v0")
    #expect(try api.raise(device: "gpu1")["virt_id"].string == "0x20")
    #expect(try events(api).count == 1)
    #expect(try api.attach("m0").json["errno"].string == "ENOENT")
  }

  @Test("49. Without a veventq the event is logged", arguments: Transport.allCases)
  func noQueue(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeVDev()
    try api.makeNested()
    try api.attach("n0")
    #expect(try api.raise()["errno"].string == "EOPNOTSUPP")
  }

  @Test(
    "37, 107. The same domain again is no change, so a late vdev needs another domain",
    arguments: Transport.allCases)
  func lateVDev(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeQueue()
    try api.makeNested("b0", STE.bypass)
    try api.makeNested("b1", STE.bypass)
    try api.attach("b0")
    try api.makeVDev()
    let seq = try api.get("/v1/hosts/default").json["seq"]
    #expect(try api.attach("b0").status == 200)
    #expect(try api.get("/v1/hosts/default").json["seq"] == seq)
    #expect(try api.raise()["disposition"].string == "logged")
    try api.attach("b1")
    #expect(try api.raise()["disposition"].string == "forwarded")
  }

  @Test(
    "108. A nested RID keeps PASIDs out, and PASIDs keep a nested RID out",
    arguments: Transport.allCases)
  func pasids(_ transport: Transport) throws {
    let api = try API(transport)
    try api.make("devices", #"{"id":"gpu0","smmu":"smmu0","stream_id":66,"pasid_bits":4}"#)
    try api.make("ioas", #"{"id":"ram"}"#)
    try api.make(
      "domains", #"{"id":"s2","type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}"#)
    try api.make("viommus", #"{"id":"v0","type":"arm-smmuv3","device":"gpu0","domain":"s2"}"#)
    try api.make(
      "domains", #"{"id":"p","type":"paging","device":"gpu0","ioas":"ram","pasid":true}"#)
    try api.makeVDev()
    try api.makeNested()
    let path = "/v1/devices/gpu0/attachments/5"
    try api.attach("n0")
    #expect(try api.errno("PUT", path, #"{"domain":"p"}"#) == "EINVAL")
    try api.delete("/v1/devices/gpu0/attachment")
    #expect(try api.put(path, #"{"domain":"p"}"#).status == 200)
    #expect(try api.attach("n0").json["errno"].string == "EINVAL")
    #expect(try api.errno("PUT", path, #"{"ioas":"ram"}"#) == "EINVAL")
    #expect(try api.errno("PUT", path + "?mode=attach", #"{"domain":"p"}"#) == "EBUSY")
    #expect(try api.errno("PUT", "/v1/devices/gpu0/attachments/16", #"{"domain":"p"}"#) == "EINVAL")
    #expect(
      try api.get("/v1/devices/gpu0").json["attachments"].description
        == #"[{"pasid":5,"domain":"p"}]"#)
    #expect(try api.errno("DELETE", "/v1/domains/p") == "EBUSY")
    #expect(try api.delete(path).status == 200)
    #expect(try api.delete("/v1/domains/p").status == 200)
  }

  @Test(
    "An IOAS as the target makes a domain that goes with its last attachment",
    arguments: Transport.allCases)
  func autoDomain(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.make("devices", #"{"id":"gpu1","smmu":"smmu0","stream_id":67}"#)
    for device in ["gpu0", "gpu1"] {
      #expect(try api.put("/v1/devices/\(device)/attachment", #"{"ioas":"ram"}"#).status == 200)
    }
    let autos = try api.get("/v1/domains?auto=true").json["items"].array
    #expect(autos.count == 1)
    let id = autos[0]["id"].string!
    #expect(try api.delete("/v1/devices/gpu0/attachment").json["deleted"].array.isEmpty)
    #expect(
      try api.delete("/v1/devices/gpu1/attachment").json["deleted"].array.map(\.key) == [
        "domain/\(id)"
      ])
    #expect(try api.get("/v1/domains/\(id)").status == 404)
  }

  @Test("A group is attached together and moves together", arguments: Transport.allCases)
  func groups(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    for (index, id) in ["a", "b"].enumerated() {
      try api.make("devices", #"{"id":"\#(id)","smmu":"smmu0","stream_id":\#(index),"group":"g"}"#)
    }
    try api.make("domains", #"{"id":"p0","type":"paging","device":"a","ioas":"ram"}"#)
    try api.make("domains", #"{"id":"p1","type":"paging","device":"a","ioas":"ram"}"#)
    try api.attach("p0", device: "a")
    #expect(try api.attach("p1", device: "b").json["errno"].string == "EINVAL")
    #expect(try api.attach("p0", device: "b").status == 200)
    #expect(try api.attach("p1", device: "a").status == 200)
    #expect(try api.get("/v1/devices/b").json["attachment"]["domain"].string == "p1")
    #expect(try api.delete("/v1/domains/p0").status == 200)
    try api.make("contexts", #"{"id":"other"}"#)
    #expect(
      try api.errno(
        "POST", "/v1/devices", #"{"smmu":"smmu0","stream_id":9,"group":"g","context":"other"}"#)
        == "EPERM")
  }

  @Test("Objects of two contexts never mix", arguments: Transport.allCases)
  func contexts(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.make("contexts", #"{"id":"other"}"#)
    try api.make("ioas", #"{"id":"far","context":"other"}"#)
    let answer = try api.put("/v1/devices/gpu0/attachment", #"{"ioas":"far"}"#)
    #expect(answer.status == 422)
    #expect(answer.json["code"].string == "reference_not_found")
    #expect(answer.json["errno"].string == "ENOENT")
  }
}
