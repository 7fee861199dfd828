// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Pins and DELETE")
struct PinTests {
  /// A VM with an attached nested domain.
  private func attached(_ transport: Transport) throws -> API {
    let api = try API(transport).furnish()
    try api.makeVDev()
    try api.makeNested()
    #expect(try api.attach("n0").status == 200)
    return api
  }

  @Test(
    "A refused DELETE names every holder, every chain and the way out",
    arguments: Transport.allCases)
  func refusal(_ transport: Transport) throws {
    let api = try attached(transport)
    let answer = try api.delete("/v1/viommus/v0")
    #expect(answer.status == 409)
    #expect(answer["Content-Type"] == "application/problem+json")
    let problem = answer.json
    #expect(problem["code"].string == "pinned")
    #expect(problem["errno"].string == "EBUSY")
    #expect(problem["instance"].string == "/v1/viommus/v0")
    #expect(problem["pinned_by"].array.map(\.key) == ["domain/n0", "vdev/vd0"])
    #expect(problem["pinned_by"][1]["why"].string == "vdev.viommu")
    #expect(problem["pinned_by"][1]["self"].string == "/v1/vdevs/vd0")
    #expect(
      problem["chains"].array.map { $0.array.map(\.key) } == [
        ["viommu/v0", "domain/n0", "device/gpu0"], ["viommu/v0", "vdev/vd0", "device/gpu0"],
      ])
    #expect(
      problem["plan"]["steps"].array.map { $0["method"].string! + " " + $0["path"].string! } == [
        "DELETE /v1/devices/gpu0/attachment", "DELETE /v1/domains/n0", "DELETE /v1/vdevs/vd0",
      ])
  }

  @Test(
    "Of many holders some are shown, with their number, and all can be had page by page",
    arguments: Transport.allCases)
  func manyHolders(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeVDev()
    let count = 250
    let operations = (0..<count).map {
      #"{"method":"POST","path":"/v1/domains","body":{"id":"n\#($0)","type":"nested","#
        + #""device":"gpu0","viommu":"v0","ste":\#(STE.translating)}}"#
    }
    let made = try api.post("/v1/batch", #"{"operations":[\#(operations.joined(separator: ","))]}"#)
    #expect(made.status == 200)
    let shown = try api.get("/v1/viommus/v0").json
    #expect(shown["pins"]["held_by"].array.count == 100)
    #expect(shown["pins"]["held_by_count"].int == count + 1)
    #expect(shown["lists"]["holders"].string == "/v1/viommus/v0/holders")
    let refused = try api.delete("/v1/viommus/v0").json
    #expect(refused["pinned_by"].array.count == 100)
    #expect(refused["pinned_by_count"].int == count + 1)
    #expect(refused["chains"].array.count == 100)
    #expect(refused["chains_count"].int == count + 1)
    // The plan is whole: a cascade needs all of it.
    #expect(refused["plan"]["steps"].array.count == count + 1)
    for list in ["holders", "chains"] {
      var seen: [String] = []
      var path: String? = "/v1/viommus/v0/\(list)?limit=90"
      while let page = path {
        let answer = try api.get(page)
        #expect(answer.json["count"].int == count + 1)
        seen += answer.json["items"].array.map { list == "holders" ? $0.key : $0.array[1].key }
        path = answer.json["next"].string.map { "/v1/viommus/v0/\(list)?limit=90&cursor=\($0)" }
      }
      #expect(seen.count == count + 1)
      #expect(Set(seen) == Set((0..<count).map { "domain/n\($0)" } + ["vdev/vd0"]))
    }
  }

  @Test("A page of holders goes on only while nothing changes", arguments: Transport.allCases)
  func expiredPage(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeVDev()
    try api.makeNested()
    let path = "/v1/viommus/v0/holders?limit=1"
    let next = try #require(try api.get(path).json["next"].string)
    #expect(try api.get("\(path)&cursor=\(next)").json["items"].array.count == 1)
    try api.make("ioas", #"{"id":"other"}"#)
    let answer = try api.get("\(path)&cursor=\(next)")
    #expect(answer.status == 410)
    #expect(answer.json["code"].string == "cursor_expired")
    for bad in ["x", "at.", "at.1", "at.1.x", "at.1.1.1", "at.-1.1", "after.1"] {
      #expect(try api.get("\(path)&cursor=\(bad)").status == 422, "\(bad)")
    }
  }

  @Test("A plan's steps, sent one by one, free the object", arguments: Transport.allCases)
  func plan(_ transport: Transport) throws {
    let api = try attached(transport)
    for target in [
      "/v1/viommus/v0", "/v1/ioas/ram", "/v1/devices/gpu0", "/v1/contexts/default",
      "/v1/smmus/smmu0",
    ] {
      let explanation = try api.get(target + "/explain?verb=delete").json
      for step in explanation["plan"]["steps"].array {
        let answer = try api.send(step["method"].string!, step["path"].string!)
        #expect(answer.status == 200, "\(step) \(answer.text)")
      }
      #expect(try api.delete(target).status == 200)
    }
  }

  @Test("A cascade goes in the plan's order, in one transaction", arguments: Transport.allCases)
  func cascade(_ transport: Transport) throws {
    let api = try attached(transport)
    let before = try api.get("/v1/hosts/default").json["seq"].int!
    let answer = try api.delete("/v1/ioas/ram?cascade=true")
    #expect(answer.status == 200)
    #expect(
      answer.json["deleted"].array.map(\.key) == [
        "domain/n0", "vdev/vd0", "viommu/v0", "domain/s2", "ioas/ram",
      ])
    let events = try api.get("/v1/events?after=\(before)").lines.filter {
      !$0["seq"].isNull && !$0["txn"].isNull
    }
    #expect(Set(events.map { $0["txn"].int }).count == 1)
    #expect(events.last?["seq"] == answer.json["seq"])
    #expect(
      events.map { $0["type"].string! } == [
        "device.detached", "domain.deleted", "vdev.deleted", "viommu.deleted", "domain.deleted",
        "ioas.deleted",
      ])
  }

  @Test("A cascade by digest is refused once the plan is another", arguments: Transport.allCases)
  func digest(_ transport: Transport) throws {
    let api = try attached(transport)
    let digest = try api.delete("/v1/viommus/v0").json["plan"]["digest"].string!
    try api.makeQueue()
    let refused = try api.delete("/v1/viommus/v0?cascade=true&plan=\(digest)")
    #expect(refused.status == 412)
    #expect(refused.json["code"].string == "plan_changed")
    let current = refused.json["plan"]["digest"].string!
    #expect(current != digest)
    #expect(try api.get("/v1/viommus/v0").status == 200)
    #expect(try api.delete("/v1/viommus/v0?cascade=true&plan=\(current)").status == 200)
  }

  @Test(
    "A dry run answers as the real one would, and changes nothing", arguments: Transport.allCases)
  func dryRun(_ transport: Transport) throws {
    let api = try attached(transport)
    let before = api.plane.defaultDigest
    let seq = try api.get("/v1/hosts/default").json["seq"]
    let tried = try api.delete("/v1/viommus/v0?cascade=true&dry_run=true")
    #expect(tried.status == 200)
    #expect(try api.post("/v1/ioas?dry_run=true", "{}").status == 201)
    #expect(try api.delete("/v1/viommus/v0?dry_run=true").status == 409)
    #expect(api.plane.defaultDigest == before)
    #expect(try api.get("/v1/hosts/default").json["seq"] == seq)
    let real = try api.delete("/v1/viommus/v0?cascade=true")
    #expect(real.json == tried.json)
  }

  @Test(
    "10. Leaf by leaf everything goes; root first everything is busy", arguments: Transport.allCases
  )
  func teardown(_ transport: Transport) throws {
    let api = try attached(transport)
    let chain = ["domains/n0", "viommus/v0", "domains/s2", "ioas/ram"]
    for path in chain.reversed() {
      #expect(try api.errno("DELETE", "/v1/" + path) == "EBUSY")
    }
    #expect(try api.delete("/v1/devices/gpu0/attachment").status == 200)
    #expect(try api.delete("/v1/vdevs/vd0").status == 200)
    for path in chain { #expect(try api.delete("/v1/" + path).status == 200) }
  }

  @Test("9. A nested domain pins its vIOMMU from allocation on", arguments: Transport.allCases)
  func nestedPins(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeNested()
    #expect(try api.errno("DELETE", "/v1/viommus/v0") == "EBUSY")
    #expect(try api.delete("/v1/domains/n0").status == 200)
    #expect(try api.delete("/v1/viommus/v0").status == 200)
  }

  @Test("13. A vIOMMU does not pin the device it was made for", arguments: Transport.allCases)
  func viommuLeavesDevice(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    #expect(try api.delete("/v1/devices/gpu0").status == 200)
    #expect(try api.get("/v1/viommus/v0").json["device"].string == "gpu0")
  }

  @Test("51. While a translating domain is attached, its vdev stays", arguments: Transport.allCases)
  func attachmentPinsVDev(_ transport: Transport) throws {
    let api = try attached(transport)
    let refused = try api.delete("/v1/vdevs/vd0")
    #expect(refused.json["pinned_by"][0].key == "device/gpu0")
    #expect(refused.json["pinned_by"][0]["why"].string == "device.attachment")
    #expect(try api.delete("/v1/devices/gpu0/attachment").status == 200)
    #expect(try api.delete("/v1/vdevs/vd0").status == 200)
  }

  @Test(
    "So it does while any domain is attached whose events bear its ID",
    arguments: Transport.allCases)
  func bypassPinsVDev(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeVDev()
    try api.makeNested("b", STE.bypass)
    try api.attach("b")
    #expect(try api.errno("DELETE", "/v1/vdevs/vd0") == "EBUSY")
    try api.attach("s2")
    #expect(try api.delete("/v1/vdevs/vd0").status == 200)
  }

  @Test(
    "50. Under the linux policy the vdev goes, and events keep the old virtual ID",
    arguments: Transport.allCases)
  func linuxPolicy(_ transport: Transport) throws {
    let api = try API(transport)
    #expect(try api.post("/v1/hosts", #"{"id":"l","pin_policy":"linux"}"#).status == 201)
    let base = "/v1/hosts/l/"
    for (collection, body) in [
      ("devices", #"{"id":"gpu0","smmu":"smmu0","stream_id":66}"#), ("ioas", #"{"id":"ram"}"#),
      ("domains", #"{"id":"s2","type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}"#),
      ("viommus", #"{"id":"v0","type":"arm-smmuv3","device":"gpu0","domain":"s2"}"#),
      ("vdevs", #"{"id":"vd0","viommu":"v0","device":"gpu0","virt_id":16}"#),
      ("veventqs", #"{"id":"q0","viommu":"v0","type":"arm-smmuv3","depth":4}"#),
      (
        "domains",
        #"{"id":"n0","type":"nested","device":"gpu0","viommu":"v0","ste":\#(STE.translating)}"#
      ),
    ] {
      #expect(try api.post(base + collection, body).status == 201)
    }
    #expect(try api.put(base + "devices/gpu0/attachment", #"{"domain":"n0"}"#).status == 200)
    #expect(try api.delete(base + "vdevs/vd0").status == 200)
    let raised = try api.post(base + "devices/gpu0/hardware-events", #"{"record":[16,0,0,0]}"#)
    #expect(raised.json["virt_id"].string == "0x10")
    let refused = try api.delete(base + "devices/gpu0")
    #expect(refused.json["code"].string == "busy")
    #expect(refused.json["plan"]["steps"][0]["path"].string == base + "devices/gpu0/unplug")
  }

  @Test(
    "Under the linux policy a refused unmap keeps what went before; by design nothing goes",
    arguments: Transport.allCases)
  func partialUnmap(_ transport: Transport) throws {
    let api = try API(transport)
    #expect(try api.post("/v1/hosts", #"{"id":"l","pin_policy":"linux"}"#).status == 201)
    for (base, unmapped, left) in [("/v1/", nil, 2), ("/v1/hosts/l/", "0x1000", 1)] {
      #expect(try api.post(base + "ioas", #"{"id":"ram"}"#).status == 201)
      let ram = base + "ioas/ram"
      try api.post(ram + "/map", #"{"iova":"0x1000","length":"0x1000"}"#)
      try api.post(ram + "/map", #"{"iova":"0x2000","length":"0x2000"}"#)
      let seq = try api.get("/v1/hosts/\(base == "/v1/" ? "default" : "l")").json["seq"].int!
      let refused = try api.post(ram + "/unmap", #"{"iova":"0x1000","length":"0x2000"}"#).json
      #expect(refused["errno"].string == "ENOENT")
      #expect(refused["instance"].string == ram + "/unmap")
      #expect(refused["unmapped"].string == unmapped)
      #expect(try api.get(ram).json["mappings"].int == left)
      let events = try api.get(base + "events?after=\(seq)&type=ioas.unmapped").lines
      #expect(events.count { $0["type"].string == "ioas.unmapped" } == 2 - left)
    }
  }

  @Test("A missing object is 404, or 204 where that is allowed", arguments: Transport.allCases)
  func missing(_ transport: Transport) throws {
    let api = try API(transport)
    #expect(try api.delete("/v1/viommus/nope").status == 404)
    #expect(try api.delete("/v1/viommus/nope?allow_missing=true").status == 204)
    #expect(try api.delete("/v1/viommus/nope?cascade=true&allow_missing=true").status == 204)
  }

  @Test(
    "17. Closing a context takes all of it, holders before what they hold",
    arguments: Transport.allCases)
  func closingContext(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeNested()
    #expect(try api.errno("DELETE", "/v1/contexts/default") == "EBUSY")
    #expect(try api.delete("/v1/devices/gpu0").status == 200)
    let answer = try api.delete("/v1/contexts/default")
    #expect(
      answer.json["deleted"].array.map(\.key) == [
        "domain/n0", "viommu/v0", "domain/s2", "ioas/ram", "context/default",
      ])
  }

  @Test("18. An open event file pins its queue until it is closed", arguments: Transport.allCases)
  func openFile(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.make(
      "veventqs", #"{"id":"q0","viommu":"v0","type":"arm-smmuv3","depth":1,"file":"open"}"#)
    let refused = try api.delete("/v1/veventqs/q0")
    #expect(refused.json["pinned_by"][0]["why"].string == "open file")
    #expect(refused.json["plan"]["steps"][0]["path"].string == "/v1/veventqs/q0/file")
    #expect(try api.delete("/v1/veventqs/q0/file").status == 200)
    #expect(try api.delete("/v1/veventqs/q0").status == 200)
  }
}
