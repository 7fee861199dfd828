// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@Suite("The mock IOMMU and VT-d")
struct MockTests {
  private static let direct =
    #"{"id":"n","type":"nested","device":"dut0","domain":"s2","iotlb":42}"#

  private static let cases: [Attempt] = [
    Attempt(
      "a mock has no CMDQV", "POST", "smmus", #"{"driver":"mock","cmdqv":\#(cmdqv)}"#, "EINVAL"),
    Attempt(
      "nor features", "POST", "smmus", #"{"driver":"mock","features":{"pri":true}}"#, "EINVAL"),
    Attempt("an IOMMU of no kind", "POST", "smmus", #"{"driver":"amd"}"#, "EINVAL"),
    Attempt("a nested domain has a base", "POST", "domains", nested(#""iotlb":1"#), "EINVAL"),
    Attempt(
      "and null is none", "POST", "domains",
      nested(#""iotlb":1,"viommu":null,"domain":null"#), "EINVAL"),
    Attempt(
      "one of them", "POST", "domains", nested(#""iotlb":1,"viommu":"v0","domain":"s2""#), "EINVAL"),
    Attempt("and a guest's data", "POST", "domains", nested(#""domain":"s2""#), "EINVAL"),
    Attempt(
      "which null is not", "POST", "domains", nested(#""domain":"s2","ste":null,"iotlb":null"#),
      "EINVAL"),
    Attempt(
      "of one kind", "POST", "domains", nested(#""domain":"s2","iotlb":1,"ste":[1,0]"#), "EINVAL"),
    Attempt(
      "of 32 bits", "POST", "domains", nested(#""domain":"s2","iotlb":"0x100000000""#), "EINVAL"),
    Attempt(
      "and the mock's", "POST", "domains", nested(#""domain":"s2","ste":[1,0]"#), "EOPNOTSUPP"),
    Attempt("a parent is there", "POST", "domains", nested(#""domain":"no","iotlb":1"#), "EINVAL"),
    Attempt("is one", "POST", "domains", nested(#""domain":"plain","iotlb":1"#), "EINVAL"),
    Attempt(
      "of this kind of IOMMU", "POST", "domains", nested(#""domain":"arm","iotlb":1"#), "EINVAL"),
    Attempt(
      "an SMMUv3 nests on vIOMMUs", "POST", "domains",
      #"{"type":"nested","device":"gpu0","domain":"arm","ste":[1,0]}"#, "EOPNOTSUPP"),
    Attempt(
      "VT-d does not nest", "POST", "domains",
      #"{"type":"paging","device":"pci0","ioas":"ram","nest_parent":true}"#, "EOPNOTSUPP"),
    Attempt(
      "nor makes vIOMMUs", "POST", "viommus",
      #"{"type":"selftest","device":"pci0","domain":"s2"}"#, "EOPNOTSUPP"),
    Attempt(
      "a mock makes its own", "POST", "viommus",
      #"{"type":"arm-smmuv3","device":"dut0","domain":"s2"}"#, "EOPNOTSUPP"),
    Attempt(
      "what cannot be noted is not tracked", "POST", "domains",
      #"{"type":"paging","device":"clean","ioas":"ram","dirty_tracking":true}"#, "EOPNOTSUPP"),
    Attempt(
      "an ID of nothing", "PUT", "devices/dut0/attachment", #"{"object_id":99}"#, "ENOENT"),
    Attempt(
      "an ID of a device", "PUT", "devices/dut0/attachment", #"{"object_id":2}"#, "EINVAL"),
    Attempt(
      "a target is one", "PUT", "devices/dut0/attachment", #"{"object_id":4,"domain":"s2"}"#,
      "EINVAL"),
    Attempt(
      "a domain of another kind", "PUT", "devices/dut0/attachment", #"{"domain":"arm"}"#, "EINVAL"),
    Attempt(
      "a record of one word", "POST", "devices/dut0/hardware-events", #"{"record":[0,0]}"#,
      "EINVAL"),
    Attempt(
      "a type has a name or a number", "POST", "veventqs",
      #"{"viommu":"v0","type":"07","depth":1}"#, "EINVAL"),
    Attempt("in a filter too", "GET", "veventqs?type=none", "EINVAL"),
  ]

  private static let cmdqv = #"{"vintfs":2,"vcmdqs":2,"sids_per_vintf":1}"#

  private static func nested(_ members: String) -> String {
    #"{"type":"nested","device":"dut0",\#(members)}"#
  }

  /// Devices behind one IOMMU of each kind.
  private func world(_ transport: Transport) throws -> API {
    let api = try API(transport).furnishMock()
    try api.make("smmus", #"{"id":"vtd0","driver":"intel-vtd"}"#)
    try api.make("devices", #"{"id":"pci0","smmu":"vtd0","stream_id":40}"#)
    try api.make(
      "devices", #"{"id":"clean","smmu":"mock0","stream_id":2,"dirty_tracking":false}"#)
    try api.make("devices", #"{"id":"gpu0","smmu":"smmu0","stream_id":66}"#)
    try api.make("domains", #"{"id":"plain","type":"paging","device":"dut0","ioas":"ram"}"#)
    try api.make("ioas", #"{"id":"arm-ram"}"#)
    try api.make(
      "domains",
      #"{"id":"arm","type":"paging","device":"gpu0","ioas":"arm-ram","nest_parent":true}"#)
    try api.make("viommus", #"{"id":"v0","type":"selftest","device":"dut0","domain":"s2"}"#)
    return api
  }

  @Test(
    "Each request gets the kernel's errno, and a refused one changes nothing",
    arguments: Transport.allCases)
  func refusals(_ transport: Transport) throws {
    try world(transport).refuse(MockTests.cases)
  }

  @Test("Each kind of IOMMU shows what it has, and no more", arguments: Transport.allCases)
  func shown(_ transport: Transport) throws {
    let api = try world(transport)
    let mock = try api.get("/v1/smmus/mock0").json
    #expect(mock["stream_id_bits"].int == 32)
    #expect(mock["features"].description == "{}")
    #expect(mock["cmdqv"].isNull && mock["hardware"].isNull)
    #expect(try api.get("/v1/smmus?driver=intel-vtd").json["items"][0]["id"].string == "vtd0")
    #expect(try api.get("/v1/devices/pci0").json["hardware"].isNull)
    #expect(
      try api.get("/v1/devices/dut0").json["hardware"].description
        == #"{"selftest_id":1,"cache":["0xbaddad","0xbaddad","0xbaddad","0xbaddad"],"vmaster":null,"virtual_id":null}"#
    )
    #expect(try api.get("/v1/devices/clean").json["dirty_tracking"].bool == false)
    let paging = try api.get("/v1/domains/plain").json
    #expect(paging["tracks_dirty"].bool == false && paging["hardware"].isNull)
    #expect(
      try api.get("/version").json["drivers"].description
        == #"["arm-smmuv3","mock","intel-vtd"]"#)
  }

  @Test(
    "A domain nested directly on its parent pins it, and is attached by its ID",
    arguments: Transport.allCases)
  func nestedOnParent(_ transport: Transport) throws {
    let api = try world(transport)
    let made = try api.make("domains", MockTests.direct).json
    #expect(made["domain"].string == "s2" && made["viommu"].isNull)
    #expect(made["hardware"]["iotlb"].description == #"["0x2a","0x2a","0x2a","0x2a"]"#)
    #expect(try api.put("/v1/domains/n", MockTests.direct).status == 200)
    let refused = try api.delete("/v1/domains/s2").json
    #expect(refused["pinned_by"][0]["why"].string == "domain.domain")
    let target = #"{"object_id":\#(made["object_id"].int ?? 0)}"#
    let attached = try api.put("/v1/devices/dut0/attachment", target).json
    #expect(attached["attachment"]["domain"].string == "n")
    #expect(attached["hardware"]["vmaster"].isNull)
    #expect(try api.errno("DELETE", "/v1/domains/n") == "EBUSY")
    #expect(try api.put("/v1/devices/dut0/attachment", #"{"object_id":3}"#).status == 200)
    #expect(try api.get("/v1/domains?auto=true").json["items"].array.count == 1)
  }

  @Test(
    "Events of a mock are a virtual ID, and of a type that nobody reports there are none",
    arguments: Transport.allCases)
  func events(_ transport: Transport) throws {
    let api = try world(transport)
    try api.makeVDev(device: "dut0", virtID: "0x99")
    try api.make(
      "domains", #"{"id":"n","type":"nested","device":"dut0","viommu":"v0","iotlb":"0x1"}"#)
    let path = "/v1/devices/dut0/hardware-events"
    func raise() throws -> JSON { try api.post(path, #"{"record":["0x7"]}"#).json }
    #expect(try raise()["errno"].string == "ENOENT")
    try api.attach("n", device: "dut0")
    #expect(try raise()["errno"].string == "EOPNOTSUPP")
    for type in ["selftest", "7"] {
      try api.make("veventqs", #"{"id":"q-\#(type)","viommu":"v0","type":"\#(type)","depth":1}"#)
    }
    #expect(try api.get("/v1/veventqs/q-selftest").json["poll"].description == "[]")
    #expect(try raise()["virt_id"].string == "0x99")
    #expect(try raise()["virt_id"].string == "0x99")
    let poll = try api.get("/v1/veventqs/q-selftest").json["poll"]
    #expect(poll.description == #"["in"]"#)
    let events = "/v1/veventqs/q-selftest/events"
    #expect(try api.errno("GET", events + "?count=11") == "EINVAL")
    #expect(
      try api.get(events).text
        == #"{"items":[{"sequence":0,"lost_events":false,"data":["0x99"]},{"sequence":1,"lost_events":true,"data":[]}],"bytes":20}"#
    )
    #expect(try api.get("/v1/veventqs/q-7/events").text == #"{"items":[],"bytes":0}"#)
    #expect(try api.get("/v1/veventqs?type=7").json["items"].array.count == 1)
  }

  @Test(
    "Bytes answer faults as a write does, up to the first that is wrong",
    arguments: Transport.allCases)
  func writing(_ transport: Transport) throws {
    let api = try world(transport)
    try api.make("fault-queues", #"{"id":"f0"}"#)
    try api.make(
      "domains", #"{"id":"d","type":"paging","device":"dut0","ioas":"ram","fault_queue":"f0"}"#)
    try api.attach("d", device: "dut0")
    let queue = "/v1/fault-queues/f0"
    #expect(try api.get(queue).json["poll"].description == #"["out"]"#)
    for _ in 0..<2 {
      try api.post("/v1/devices/dut0/page-requests", #"{"pages":[{"address":"0xdeadbeaf"}]}"#)
    }
    #expect(try api.get(queue).json["poll"].description == #"["in","out"]"#)
    #expect(try api.get(queue + "/faults").json["bytes"].int == 80)
    func write(_ bytes: String) throws -> Answer {
      try api.post(queue + "/responses", #"{"bytes":"\#(bytes)"}"#)
    }
    #expect(try write("01").json["errno"].string == "ESPIPE")
    #expect(try write(Little.u32(1, 2)).json["errno"].string == "EINVAL")
    #expect(try write("").json["bytes"].int == 0)
    let half = try write(Little.u32(1, 0, 9, 0, 2, 1)).json
    #expect(half["answered"].int == 1 && half["bytes"].int == 8)
    #expect(try write(Little.u32(2, 1)).json["bytes"].int == 8)
    for body in ["{}", #"{"responses":null,"bytes":null}"#, #"{"responses":[],"bytes":""}"#] {
      #expect(try api.errno("POST", queue + "/responses", body) == "EINVAL")
    }
  }

  @Test(
    "Every other call about PASID 1024 fails, and what it was for stays as it was",
    arguments: Transport.allCases)
  func failingPASID(_ transport: Transport) throws {
    let api = try world(transport)
    try api.make(
      "domains", #"{"id":"p","type":"paging","device":"dut0","ioas":"ram","pasid":true}"#)
    let path = "/v1/devices/dut0/attachments/1024"
    #expect(try api.put(path, #"{"domain":"p"}"#).status == 200)
    #expect(try api.delete(path).status == 200)
    #expect(try api.put(path, #"{"domain":"p"}"#).status == 200)
    try api.make(
      "domains", #"{"id":"p2","type":"paging","device":"dut0","ioas":"ram","pasid":true}"#)
    let before = api.plane.defaultDigest
    #expect(try api.errno("PUT", path, #"{"domain":"p2"}"#) == "ENOMEM")
    #expect(api.plane.defaultDigest == before)
  }
}
