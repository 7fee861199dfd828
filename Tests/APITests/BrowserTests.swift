// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

/// What a page of a foreign site can have a browser send, and what becomes of it.
@Suite struct BrowserTests {
  /// Ways in which a page of another site, or one without a site, is told.
  private static let foreign: [[String: String]] = [
    ["Origin": "http://evil.example"], ["Origin": "null"], ["Origin": "https://localhost:444"],
    ["Origin": "http://localhost:1"], ["Sec-Fetch-Site": "cross-site"],
  ]

  @Test(arguments: Transport.allCases, foreign)
  func aPageOfAnotherSiteCanDoNothing(
    _ transport: Transport, _ page: [String: String]
  ) throws {
    let api = try API(transport)
    try api.post("/v1/ioas", #"{"id":"ram"}"#)
    var page = page
    if transport == .inProcess { page["Host"] = "localhost:8137" }
    let attempts = [("POST", "/v1/reset"), ("DELETE", "/v1/ioas/ram"), ("GET", "/v1/ioas")]
    for (method, path) in attempts {
      let answer = try api.send(method, path, headers: page)
      #expect(answer.status == 403)
      #expect(answer.json["code"].string == "forbidden")
      #expect(answer["Access-Control-Allow-Origin"] == nil)
    }
    #expect(try api.get("/v1/ioas/ram").status == 200)
  }

  @Test(arguments: ["evil.example", "127.0.0.1.evil.example:8137", "10.0.0.1", "[::2]:80"])
  func aNameThatIsNotTheServersIsRefused(_ host: String) throws {
    let api = try API(.inProcess)
    let answer = try api.post("/v1/reset", headers: ["Host": host])
    #expect(answer.status == 421)
    #expect(answer.json["code"].string == "misdirected_request")
  }

  @Test func hostsThatAreAllowedAreAnsweredTo() throws {
    let api = try API(.inProcess) { $0.sites.hosts = ["box.example", "10.0.0.1"] }
    for host in ["box.example:8137", "BOX.example", "10.0.0.1:80", "localhost", "127.0.0.1:8137"] {
      #expect(try api.get("/v1/ioas", headers: ["Host": host]).status == 200, "\(host)")
    }
    #expect(try api.get("/v1/ioas", headers: ["Host": "10.0.0.2"]).status == 421)
  }

  @Test func aServerThatListensEverywhereAnswersToAddressesButNotToNames() throws {
    let api = try API(.inProcess) { $0.sites.listensEverywhere = true }
    #expect(try api.get("/livez", headers: ["Host": "10.0.0.1:80"]).status == 200)
    #expect(try api.get("/livez", headers: ["Host": "[2001:db8::1]"]).status == 200)
    #expect(try api.get("/livez", headers: ["Host": "evil.example"]).status == 421)
  }

  @Test func theServersOwnPagesMayDoAnything() throws {
    let api = try API(.inProcess)
    let own = [
      "Host": "localhost:8137", "Origin": "http://localhost:8137", "Sec-Fetch-Site": "same-origin",
    ]
    #expect(try api.post("/v1/reset", headers: own).status == 200)
  }

  @Test(arguments: Transport.allCases)
  func aSiteThatIsAllowedGetsItsAnswersByCORS(_ transport: Transport) throws {
    let api = try API(transport) {
      if let origin = Origin("http://localhost:3000") { $0.sites.origins = [origin] }
    }
    let page = ["Origin": "http://localhost:3000", "Sec-Fetch-Site": "cross-site"]
    let answer = try api.post("/v1/ioas", #"{"id":"ram"}"#, headers: page)
    #expect(answer.status == 201)
    #expect(answer["Access-Control-Allow-Origin"] == "http://localhost:3000")
    #expect(answer["Vary"] == "Origin")
    // Without the fields the page could not read why it was refused.
    let refusal = try api.get("/v1/ioas/none", headers: page)
    #expect(refusal.status == 404)
    #expect(refusal["Access-Control-Allow-Origin"] == "http://localhost:3000")
    let preflight = try api.send(
      "OPTIONS", "/v1/ioas/ram",
      headers: page.merging(["Access-Control-Request-Method": "DELETE"]) { $1 })
    #expect(preflight.status == 204)
    #expect(preflight["Access-Control-Allow-Methods"]?.contains("DELETE") == true)
    #expect(preflight["Access-Control-Allow-Headers"]?.contains("If-Match") == true)
  }

  @Test(arguments: Transport.allCases)
  func aBodySaysWhatItIs(_ transport: Transport) throws {
    let api = try API(transport)
    let body = #"{"id":"ram"}"#
    let wrong: [[String: String]] = [
      ["Content-Type": "application/json; charset=latin1"], ["Content-Encoding": "gzip"],
      ["Content-Type": "text/plain"],
    ]
    for headers in wrong {
      let answer = try api.post("/v1/ioas", body, headers: headers)
      #expect(answer.status == 415)
      #expect(answer.json["code"].string == "unsupported_media_type")
    }
    let right = [
      "Content-Type": "application/json; charset=\"UTF-8\"", "Content-Encoding": "identity",
    ]
    #expect(try api.post("/v1/ioas", body, headers: right).status == 201)
  }
}
