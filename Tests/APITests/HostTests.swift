// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Hosts, unplug, batches, preconditions, listings, graph")
struct HostTests {
  @Test(
    "14-16. Unplug turns the vdev into a tombstone and frees all else",
    arguments: Transport.allCases)
  func unplug(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeVDev()
    try api.makeNested()
    try api.attach("n0")
    let id = try api.get("/v1/vdevs/vd0").json["object_id"].int!
    let answer = try api.post("/v1/devices/gpu0/unplug")
    #expect(answer.json["deleted"].array.map(\.key) == ["vdev/vd0", "device/gpu0"])
    #expect(try api.delete("/v1/vdevs/vd0").status == 404)
    #expect(try api.get("/v1/contexts/default").json["tombstones"].description == "[\(id)]")
    try api.make("devices", #"{"id":"gpu1","smmu":"smmu0","stream_id":66}"#)
    try api.makeVDev("vd1", device: "gpu1")
    #expect(try api.get("/v1/vdevs/vd1").json["object_id"].int != id)
    #expect(try api.post("/v1/devices/gpu1/unplug").status == 200)
    for path in ["domains/n0", "viommus/v0", "domains/s2"] {
      #expect(try api.delete("/v1/" + path).status == 200)
    }
    let types = try api.get("/v1/events").lines.compactMap { $0["type"].string }
    #expect(types.contains("vdev.tombstoned"))
    #expect(types.contains("device.unplugged"))
  }

  @Test("Hosts share nothing", arguments: Transport.allCases)
  func isolation(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    #expect(try api.post("/v1/hosts", #"{"id":"t1"}"#)["Location"] == "/v1/hosts/t1")
    let made = try api.post("/v1/hosts/t1/devices", #"{"id":"gpu0","smmu":"smmu0","stream_id":66}"#)
    #expect(made["Location"] == "/v1/hosts/t1/devices/gpu0")
    #expect(made.json["self"].string == "/v1/hosts/t1/devices/gpu0")
    #expect(try api.get("/v1/hosts/t1/viommus/v0").status == 404)
    #expect(try api.get("/v1/hosts/default/viommus/v0").json["self"].string == "/v1/viommus/v0")
    #expect(try api.put("/v1/hosts/t1", "{}").status == 200)
    #expect(try api.put("/v1/hosts/t1", #"{"pin_policy":"linux"}"#).status == 409)
    #expect(try api.delete("/v1/hosts/t1").status == 200)
    #expect(try api.get("/v1/hosts/t1/devices").status == 404)
    #expect(try api.delete("/v1/hosts/default").json["code"].string == "busy")
    #expect(try api.post("/v1/hosts").json["id"].string == "host-1")
  }

  @Test(
    "A host starts with the topology it is given, and reset brings that back",
    arguments: Transport.allCases)
  func topology(_ transport: Transport) throws {
    let api = try API(transport)
    let body = #"""
      {"id":"lab","smmus":[{"id":"s","cmdqv":null,"stream_id_bits":8}],"contexts":[{"id":"vm"}],
       "devices":[{"id":"d","smmu":"s","stream_id":255,"context":"vm"}],"ioas":[{"id":"ram","context":"vm"}]}
      """#
    let made = try api.post("/v1/hosts", body).json["objects"]
    #expect(made["devices"].int == 1)
    #expect(try api.delete("/v1/hosts/lab/devices/d").status == 200)
    try api.post("/v1/hosts/lab/ioas")
    #expect(try api.post("/v1/hosts/lab/reset").json["objects"] == made)
    #expect(try api.get("/v1/hosts/lab/devices/d").json["stream_id"].int == 255)
    let bad = try api.post("/v1/hosts", #"{"devices":[{"smmu":"no","stream_id":0}]}"#)
    #expect(bad.status == 422)
    #expect(bad.json["errors"][0]["pointer"].string == "/devices/0/smmu")
    #expect(bad.json["instance"].string == "/v1/hosts")
    #expect(
      try api.get("/v1/hosts").json["items"].array.map { $0["id"].string } == ["default", "lab"])
  }

  @Test(
    "A reset starts a new epoch; cursors of the old one are refused", arguments: Transport.allCases)
  func reset(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    let latest = try api.get("/v1/hosts/default").json["seq"].int!
    #expect(try api.post("/v1/reset").json["epoch"].string == "e2")
    let expired = try api.get("/v1/events?after=\(latest)")
    #expect(expired.status == 410)
    #expect(expired.json["oldest"].int == latest + 1)
    let lines = try api.get("/v1/events").lines
    #expect(lines[1]["type"].string == "host.reset")
    #expect(lines[1]["seq"].int == latest + 1)
    #expect(try api.get("/v1/devices").json["items"].array.isEmpty)
    #expect(try api.post("/v1/ioas").json["id"].string == "ioas-1")
  }

  @Test("A batch does all or nothing, with names for what it makes", arguments: Transport.allCases)
  func batch(_ transport: Transport) throws {
    let api = try API(transport)
    let operations = #"""
      {"method":"POST","path":"/v1/devices","body":{"smmu":"smmu0","stream_id":1},"as":"d"},
      {"method":"POST","path":"/v1/ioas","as":"io"},
      {"method":"POST","path":"/v1/domains","body":{"type":"paging","device":"$d","ioas":"$io","nest_parent":true},"as":"p"},
      {"method":"PUT","path":"/v1/devices/$d/attachment","body":{"domain":"$p"}},
      {"assert":{"path":"/v1/devices/$d","fields":{"attachment":{"domain":"$p"},"stream_id":"0x1"}}},
      {"assert":{"path":"/v1/viommus/none","exists":false}}
      """#
    let before = api.plane.defaultDigest
    #expect(
      try api.post("/v1/batch?dry_run=true", #"{"operations":[\#(operations)]}"#).status == 200)
    let failing = operations + #",{"method":"DELETE","path":"/v1/ioas/$io"}"#
    let refused = try api.post("/v1/batch", #"{"operations":[\#(failing)]}"#)
    #expect(refused.status == 409)
    #expect(refused.json["operation"].string == "/operations/6")
    let asserted = operations + #",{"assert":{"path":"/v1/ioas/$io","exists":false}}"#
    #expect(try api.post("/v1/batch", #"{"operations":[\#(asserted)]}"#).status == 412)
    #expect(api.plane.defaultDigest == before)
    let seq = try api.get("/v1/hosts/default").json["seq"].int!
    let done = try api.post("/v1/batch", #"{"operations":[\#(operations)]}"#)
    #expect(done.json["results"].array.map { $0["status"].int } == [201, 201, 201, 200, 200, 200])
    #expect(done.json["results"][0]["body"]["id"].string == "device-1")
    #expect(done.json["seq"].int == seq + 4)
    let unknown = try api.post(
      "/v1/batch", #"{"operations":[{"method":"DELETE","path":"/v1/ioas/$x"}]}"#)
    #expect(unknown.json["code"].string == "reference_not_found")
    let foreign = try api.post(
      "/v1/batch", #"{"operations":[{"method":"POST","path":"/v1/hosts/other/ioas"}]}"#)
    #expect(foreign.status == 422)
  }

  @Test("If-Match and If-None-Match guard what they name", arguments: Transport.allCases)
  func preconditions(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    let tag = try api.get("/v1/viommus/v0")["ETag"]!
    #expect(try api.get("/v1/viommus/v0", headers: ["If-None-Match": tag]).status == 304)
    try api.makeVDev()
    #expect(try api.get("/v1/viommus/v0", headers: ["If-None-Match": tag]).status == 200)
    let stale = try api.delete("/v1/viommus/v0?cascade=true", headers: ["If-Match": tag])
    #expect(stale.status == 412)
    #expect(stale.json["code"].string == "precondition_failed")
    let current = try api.get("/v1/viommus/v0")["ETag"]!
    #expect(
      try api.delete("/v1/viommus/v0?cascade=true", headers: ["If-Match": current]).status == 200)
    #expect(try api.put("/v1/ioas/new", "{}", headers: ["If-Match": "*"]).status == 412)
    let weak = try "W/" + api.get("/v1/ioas/ram")["ETag"]!
    #expect(try api.delete("/v1/ioas/ram", headers: ["If-Match": weak]).status == 412)
    #expect(try api.get("/v1/ioas/ram", headers: ["If-None-Match": weak]).status == 304)
    #expect(try api.put("/v1/ioas/ram", "{}", headers: ["If-None-Match": "*"]).status == 412)
    let list = try api.get("/v1/ioas")["ETag"]!
    #expect(try api.get("/v1/ioas", headers: ["If-None-Match": list]).status == 304)
  }

  @Test(
    "The same key and request get the same answer; another request is refused",
    arguments: Transport.allCases)
  func idempotency(_ transport: Transport) throws {
    let api = try API(transport)
    let headers = ["Idempotency-Key": "k1"]
    let first = try api.post("/v1/ioas", "{}", headers: headers)
    let again = try api.post("/v1/ioas", "{}", headers: headers)
    #expect(again.body == first.body)
    #expect(again["Idempotent-Replayed"] == "true")
    #expect(try api.get("/v1/ioas").json["items"].array.count == 1)
    #expect(try api.post("/v1/ioas", #"{"id":"b"}"#, headers: headers).status == 422)
    let refused = ["Idempotency-Key": "k2"]
    #expect(try api.delete("/v1/ioas/x", headers: refused).status == 404)
    try api.make("ioas", #"{"id":"x"}"#)
    #expect(try api.delete("/v1/ioas/x", headers: refused).status == 404)
    let host = try api.post("/v1/hosts", "{}", headers: headers)
    #expect(try api.post("/v1/hosts", "{}", headers: headers).body == host.body)
  }

  @Test(
    "A listing goes through every object once, whatever comes and goes",
    arguments: Transport.allCases)
  func listing(_ transport: Transport) throws {
    let api = try API(transport)
    for index in 0..<25 { try api.make("ioas", #"{"id":"io\#(index)"}"#) }
    var seen: [String] = []
    var path: String? = "/v1/ioas?limit=7"
    while let current = path {
      let page = try api.get(current)
      seen += page.json["items"].array.map { $0["id"].string! }
      path = page.json["next"].string.map { "/v1/ioas?limit=7&cursor=\($0)" }
      #expect(page["Link"] == path.map { "<\($0)>; rel=\"next\"" })
      if seen.count == 7 {
        try api.delete("/v1/ioas/\(seen[6])")
        try api.make("ioas", #"{"id":"a"}"#)
      }
    }
    #expect(seen == (0..<25).map { "io\($0)" }.sorted())
    #expect(try api.get("/v1/ioas?cursor=junk").status == 422)
    #expect(try api.get("/v1/ioas?limit=0").status == 422)
    #expect(try api.get("/v1/ioas?limit=1001").status == 422)
  }

  @Test("A filter selects by field", arguments: Transport.allCases)
  func filters(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeVDev()
    try api.makeNested()
    #expect(
      try api.get("/v1/domains?type=nested&viommu=v0").json["items"].array.map { $0["id"].string }
        == ["n0"])
    #expect(try api.get("/v1/vdevs?virt_id=0x10").json["items"].array.count == 1)
    #expect(try api.get("/v1/vdevs?device=other").json["items"].array.isEmpty)
  }

  @Test("The graph shows every pin in three formats", arguments: Transport.allCases)
  func graph(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    let graph = try api.get("/v1/graph").json
    #expect(graph["nodes"].array.count == 6)
    #expect(
      graph["edges"].array.map { $0["why"].string } == [
        "device.smmu", "device.context", "domain.ioas", "viommu.domain",
      ])
    let dot = try api.get("/v1/graph?format=dot")
    #expect(dot["Content-Type"] == "text/vnd.graphviz")
    #expect(dot.text.contains(#""viommu/v0" -> "domain/s2" [label="viommu.domain"]"#))
    #expect(try api.get("/v1/graph?format=mermaid").text.hasPrefix("flowchart RL"))
    #expect(try api.get("/v1/graph?format=svg").status == 422)
  }

  @Test("The server says how it is", arguments: Transport.allCases)
  func health(_ transport: Transport) throws {
    let api = try API(transport)
    #expect(try api.get("/livez").status == 200)
    #expect(try api.get("/readyz").status == 200)
    #expect(try api.get("/version").json["limits"]["body_bytes"].int == 8 << 20)
    #expect(
      try api.get("/metrics").text.contains(#"viommud_objects{host="default",kind="smmu"} 1"#))
    #expect(try api.get("/nope").status == 404)
    api.plane.beginDraining()
    #expect(try api.get("/livez").status == 200)
    #expect(try api.get("/readyz").json["code"].string == "draining")
  }
}
