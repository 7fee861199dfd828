// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Accesses and reserved ranges")
struct AccessTests {
  /// Memory with a hole, and accesses to it: one that pins and one that does not.
  private func world(_ transport: Transport) throws -> API {
    let api = try API(transport)
    try api.make("contexts", #"{"id":"far"}"#)
    for body in [
      #"{"id":"ram"}"#, #"{"id":"other"}"#, #"{"id":"small"}"#, #"{"id":"away","context":"far"}"#,
    ] {
      try api.make("ioas", body)
    }
    for (ioas, body) in [
      ("ram", #"{"iova":"0x1000","length":"0x2000"}"#),
      ("ram", #"{"iova":"0x3000","length":"0x1000","writable":false}"#),
      ("ram", #"{"iova":"0x9000","length":"0x1000"}"#),
      ("small", #"{"iova":"0x1000","length":"0x200"}"#),
    ] {
      #expect(try api.post("/v1/ioas/\(ioas)/map", body).status == 200)
    }
    try api.make("accesses", #"{"id":"a","ioas":"ram"}"#)
    try api.make("accesses", #"{"id":"reader","ioas":"small","pin":false}"#)
    return api
  }

  private static let cases: [Attempt] = [
    Attempt("an access has an IOAS", "POST", "accesses", "{}", "EINVAL"),
    Attempt("it must be there", "POST", "accesses", #"{"ioas":"no"}"#, "ENOENT"),
    Attempt(
      "pages cannot be pinned where less is mapped", "POST", "accesses", #"{"ioas":"small"}"#,
      "EADDRINUSE"),
    Attempt("a taken name", "POST", "accesses", #"{"id":"a","ioas":"ram"}"#, "EEXIST"),
    Attempt(
      "the same again is fine", "PUT", "accesses/a", #"{"ioas":"ram","pin":true}"#, nil),
    Attempt("and something else is not", "PUT", "accesses/a", #"{"ioas":"other"}"#, "EEXIST"),
    Attempt("a move of nothing", "PUT", "accesses/no/ioas", #"{"ioas":"ram"}"#, "ENOENT"),
    Attempt("a move to nowhere", "PUT", "accesses/a/ioas", #"{"ioas":"no"}"#, "ENOENT"),
    Attempt(
      "a move out of the context", "PUT", "accesses/a/ioas", #"{"ioas":"away"}"#, "ENOENT"),
    Attempt(
      "a move to less than pages", "PUT", "accesses/a/ioas", #"{"ioas":"small"}"#, "EADDRINUSE"),
    Attempt(
      "a hole is not pinned", "POST", "accesses/a/pins", #"{"iova":"0x5000","length":1}"#,
      "ENOENT"),
    Attempt(
      "nor what leads into one", "POST", "accesses/a/pins", #"{"iova":"0x3000","length":"0x1001"}"#,
      "ENOENT"),
    Attempt(
      "nor for writing what can only be read", "POST", "accesses/a/pins",
      #"{"iova":"0x2000","length":"0x2000","write":true}"#, "EPERM"),
    Attempt(
      "nor nothing", "POST", "accesses/a/pins", #"{"iova":"0x1000","length":0}"#, "EINVAL"),
    Attempt(
      "nor what wraps", "POST", "accesses/a/pins",
      #"{"iova":"0x1000","length":"0xffffffffffffffff"}"#, "EOVERFLOW"),
    Attempt(
      "nor by one that does not pin", "POST", "accesses/reader/pins",
      #"{"iova":"0x1000","length":1}"#, "EINVAL"),
    Attempt(
      "nor by one that is not there", "POST", "accesses/no/pins", #"{"iova":0,"length":1}"#,
      "ENOENT"),
    Attempt("what is not pinned is not unpinned", "DELETE", "accesses/a/pins/0", "ENOENT"),
    Attempt("a pin has a number", "DELETE", "accesses/a/pins/x", "EINVAL"),
    Attempt(
      "nothing is not reserved", "POST", "ioas/ram/reserved", #"{"start":0,"length":0}"#,
      "EINVAL"),
    Attempt(
      "nor what wraps", "POST", "ioas/ram/reserved", #"{"start":2,"length":"0xffffffffffffffff"}"#,
      "EOVERFLOW"),
    Attempt(
      "nor what is mapped", "POST", "ioas/ram/reserved", #"{"start":"0x3fff","length":2}"#,
      "EADDRINUSE"),
    Attempt(
      "nor of what is not there", "POST", "ioas/no/reserved", #"{"start":0,"length":1}"#,
      "ENOENT"),
    Attempt("a filter names an IOAS", "GET", "accesses?ioas=RAM", "EINVAL"),
  ]

  @Test(
    "Each request gets the kernel's errno, and a refused one changes nothing",
    arguments: Transport.allCases)
  func refusals(_ transport: Transport) throws {
    try world(transport).refuse(AccessTests.cases)
  }

  @Test("An access pins its IOAS, and shows what it has pinned", arguments: Transport.allCases)
  func pins(_ transport: Transport) throws {
    let api = try world(transport)
    let pins = "/v1/accesses/a/pins"
    #expect(try api.post(pins, #"{"iova":"0x1800","length":"0x2000"}"#).json["pin"].int == 0)
    #expect(
      try api.post(pins, #"{"iova":"0x9000","length":1,"write":true}"#).json["pin"].int == 1)
    let access = try api.get("/v1/accesses/a").json
    #expect(access["context"].string == "default")
    #expect(access["pins"]["holds"][0].key == "ioas/ram")
    #expect(
      access["pinned"].description
        == #"[{"pin":0,"iova":"0x1800","length":"0x2000"},{"pin":1,"iova":"0x9000","length":"0x1"}]"#
    )
    #expect(try api.delete(pins + "/0").status == 200)
    #expect(try api.errno("DELETE", pins + "/0") == "ENOENT")
    let refused = try api.delete("/v1/ioas/ram").json
    #expect(refused["pinned_by"][0]["why"].string == "access.ioas")
    #expect(refused["plan"]["steps"][0]["path"].string == "/v1/accesses/a")
    #expect(
      try api.delete("/v1/ioas/ram?cascade=true").json["deleted"].array.map(\.key) == [
        "access/a", "ioas/ram",
      ])
  }

  @Test(
    "An unmap takes pinned pages away from an access, and so does a move",
    arguments: Transport.allCases)
  func lettingGo(_ transport: Transport) throws {
    let api = try world(transport)
    func pinned() throws -> [Int?] {
      try api.get("/v1/accesses/a").json["pinned"].array.map { $0["pin"].int }
    }
    for iova in ["0x1000", "0x2000", "0x9000"] {
      try api.post("/v1/accesses/a/pins", #"{"iova":"\#(iova)","length":"0x1000"}"#)
    }
    #expect(try pinned() == [0, 1, 2])
    try api.post("/v1/ioas/ram/unmap", #"{"iova":"0x1000","length":"0x2000"}"#)
    #expect(try pinned() == [2])
    #expect(try api.put("/v1/accesses/a/ioas", #"{"ioas":"ram"}"#).status == 200)
    #expect(try pinned() == [2])
    let moved = try api.put("/v1/accesses/a/ioas", #"{"ioas":"other"}"#).json
    #expect(moved["ioas"].string == "other")
    #expect(try pinned().isEmpty)
    #expect(try api.delete("/v1/ioas/ram").status == 200)
  }

  @Test(
    "Accesses are listed by what they reach, and go with their context",
    arguments: Transport.allCases)
  func listing(_ transport: Transport) throws {
    let api = try world(transport)
    try api.make("accesses", #"{"id":"z","ioas":"away"}"#)
    func names(_ query: String) throws -> [String?] {
      try api.get("/v1/accesses\(query)").json["items"].array.map { $0["id"].string }
    }
    #expect(try names("") == ["a", "reader", "z"])
    #expect(try names("?ioas=small") == ["reader"])
    #expect(try names("?context=far") == ["z"])
    #expect(
      try api.delete("/v1/contexts/far").json["deleted"].array.map(\.key) == [
        "access/z", "ioas/away", "context/far",
      ])
    #expect(try api.get("/v1/accesses/a/explain").json["allowed"].bool == true)
  }

  @Test(
    "Nothing is mapped in a reserved range, and nobody is given addresses of it",
    arguments: Transport.allCases)
  func reserved(_ transport: Transport) throws {
    let api = try API(transport)
    try api.make("ioas", #"{"id":"ram"}"#)
    let map = "/v1/ioas/ram/map"
    #expect(
      try api.post("/v1/ioas/ram/reserved", #"{"start":"0x1000","length":"0x2000"}"#).json[
        "mappings"
      ].int == 0)
    #expect(try api.errno("POST", map, #"{"iova":"0x2000","length":"0x1000"}"#) == "EINVAL")
    #expect(try api.post(map, #"{"length":"0x1000"}"#).json["iova"].string == "0x3000")
  }
}
