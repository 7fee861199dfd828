// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import HTTPCore
import TestSupport
import Testing

/// What requests get at a server that wants tokens.
@Suite struct TokenTests {
  private static func token(
    _ name: String, _ scope: Token.Scope, _ hosts: Set<String>? = nil
  ) -> Token {
    Token(name: name, digest: Token.digest(of: name), scope: scope, hosts: hosts)
  }

  /// A token of each scope for all hosts, under the name of its scope; and two for one host each.
  private static let usual =
    Token.Scope.allCases.map { token($0.rawValue, $0) } + [
      token("a", .admin, ["a"]), token("d", .write, ["default"]),
    ]

  private static func bearer(_ token: String) -> [String: String] {
    ["Authorization": "Bearer " + token]
  }

  private let tokens = TokenGuard(TokenTests.usual)

  private func api(_ transport: Transport) throws -> API {
    try API(transport) { [tokens] configuration in
      configuration.tokens = tokens
      if let origin = Origin("http://localhost:3000") { configuration.sites.origins = [origin] }
    }
  }

  // MARK: Without a token

  @Test(arguments: Transport.allCases)
  func withoutATokenNothingIsAnsweredButWhetherTheServerIsThere(_ transport: Transport) throws {
    let api = try api(transport)
    for path in ["/livez", "/readyz"] { #expect(try api.get(path).status == 200) }
    for (method, path) in [
      ("GET", "/v1/ioas"), ("GET", "/v1/nonsense"), ("DELETE", "/v1/graph"), ("GET", "/nonsense"),
      ("GET", "/v1/hosts/none/ioas"), ("GET", "/version"), ("GET", "/openapi.yaml"),
      ("GET", "/metrics"), ("OPTIONS", "/v1/ioas"), ("POST", "/livez"), ("POST", "/v1/reset"),
    ] {
      for headers in [[:], TokenTests.bearer("unknown"), ["Authorization": "Basic YTpi"]] {
        let answer = try api.send(method, path, headers: headers)
        #expect(answer.status == 401, "\(method) \(path)")
        #expect(answer.json["code"].string == "unauthorized")
        #expect(answer["WWW-Authenticate"]?.hasPrefix("Bearer ") == true)
        #expect(answer["Allow"] == nil)
      }
    }
    // What there is, is told to whoever has a token, of whatever scope and host.
    for token in ["read", "a"] {
      let headers = TokenTests.bearer(token)
      #expect(try api.get("/v1/nonsense", headers: headers).status == 404)
      #expect(try api.send("DELETE", "/v1/graph", headers: headers).status == 405)
      #expect(try api.send("OPTIONS", "/v1/ioas", headers: headers).status == 204)
    }
  }

  @Test func aUnixSocketIsNoToken() throws {
    let api = try api(.inProcess)
    var head = RequestHead(method: .get, target: try Target(Array("/v1/ioas".utf8)))
    head.isFromUnixSocket = true
    #expect(api.plane.respond(to: Request(head: head)).status == 401)
  }

  @Test func aBodyIsNotWaitedForWithoutAToken() throws {
    let api = try api(.inProcess)
    var headers = Headers()
    headers.add(.contentType, "application/json")
    headers.add(.authorization, "Bearer read")
    for (headers, status) in [(Headers(), 401), (headers, 403)] {
      let head = RequestHead(
        method: .post, target: try Target(Array("/v1/ioas".utf8)), headers: headers,
        contentLength: 1 << 20, hasBody: true)
      #expect(api.plane.refusal(of: head)?.status == status)
    }
  }

  @Test(arguments: Transport.allCases)
  func aPagesBrowserIsToldBeforehandWithoutAToken(_ transport: Transport) throws {
    let api = try api(transport)
    let page = ["Origin": "http://localhost:3000"]
    let asking = page.merging(["Access-Control-Request-Method": "DELETE"]) { $1 }
    let preflight = try api.send("OPTIONS", "/v1/ioas/ram", headers: asking)
    #expect(preflight.status == 204)
    #expect(preflight["Access-Control-Allow-Headers"]?.contains("Authorization") == true)
    // Only a page that may use the server asks beforehand.
    let alone = ["Access-Control-Request-Method": "DELETE"]
    #expect(try api.send("OPTIONS", "/v1/ioas/ram", headers: alone).status == 401)
    #expect(try api.send("OPTIONS", "/v1/ioas/ram", headers: page).status == 401)
    // The page can read why it was refused.
    let refusal = try api.get("/v1/ioas", headers: page)
    #expect(refusal.status == 401)
    #expect(refusal["Access-Control-Allow-Origin"] == "http://localhost:3000")
    #expect(refusal["Access-Control-Expose-Headers"]?.contains("WWW-Authenticate") == true)
    let allowed = page.merging(TokenTests.bearer("read")) { $1 }
    #expect(try api.get("/v1/ioas", headers: allowed).status == 200)
  }

  // MARK: Scopes

  /// The operations whose scope their method does not tell.
  private static let exceptions: [String: Token.Scope?] = [
    "getLiveness": nil, "getReadiness": nil, "readVEvents": .write,
    "readFaults": .write, "decodeCommand": .read, "decodeEvent": .read, "createHost": .admin,
    "putHost": .admin, "deleteHost": .admin,
  ]

  @Test func showingNeedsReadChangingNeedsWriteAndHostsNeedAdmin() {
    for operation in ControlPlane.operations {
      let usual: Token.Scope = operation.method == "GET" ? .read : .write
      let wanted: Token.Scope? = TokenTests.exceptions[operation.operationID] ?? usual
      #expect(operation.scope == wanted, "\(operation.operationID)")
    }
  }

  @Test(arguments: Token.Scope.allCases)
  func aScopeThatIsTooSmallIsRefusedOnEveryPath(_ scope: Token.Scope) throws {
    let api = try api(.inProcess)
    let values = ["{pasid}": "1", "{number}": "0", "{offset}": "0x0", "{host}": "spare"]
    for operation in ControlPlane.operations {
      let path = operation.path.split(separator: "/").map { segment in
        segment.hasPrefix("{") ? values[String(segment)] ?? "none" : String(segment)
      }.joined(separator: "/")
      let answer = try api.send(
        operation.method, "/" + path, operation.hasBody ? "{}" : nil,
        headers: TokenTests.bearer(scope.rawValue))
      let isRefused = operation.scope.map { $0 > scope } ?? false
      #expect((answer.status == 403) == isRefused, "\(operation.operationID) \(answer.text)")
      #expect(answer.status != 401)
    }
  }

  @Test(arguments: Transport.allCases)
  func aReaderOfAQueueTakesNothingOutOfItWithReadAlone(_ transport: Transport) throws {
    let api = try api(transport)
    let writer = TokenTests.bearer("write")
    let world = [
      ("devices", #"{"id":"gpu0","smmu":"smmu0","stream_id":66}"#), ("ioas", #"{"id":"ram"}"#),
      (
        "domains", #"{"id":"s2","type":"paging","device":"gpu0","ioas":"ram","nest_parent":true}"#
      ), ("viommus", #"{"id":"v0","type":"arm-smmuv3","device":"gpu0","domain":"s2"}"#),
      ("vdevs", #"{"id":"vd0","viommu":"v0","device":"gpu0","virt_id":"0x10"}"#),
      (
        "domains",
        #"{"id":"n0","type":"nested","device":"gpu0","viommu":"v0","ste":\#(STE.translating)}"#
      ), ("veventqs", #"{"id":"q0","viommu":"v0","type":"arm-smmuv3","depth":4}"#),
    ]
    for (collection, body) in world {
      #expect(try api.post("/v1/" + collection, body, headers: writer).status == 201)
    }
    try api.put("/v1/devices/gpu0/attachment", #"{"domain":"n0"}"#, headers: writer)
    let event = #"{"record":["0x10","0x0","0xdead000","0x0"]}"#
    try api.post("/v1/devices/gpu0/hardware-events", event, headers: writer)
    let path = "/v1/veventqs/q0/events"
    for query in ["", "?follow=true"] {
      let answer = try api.get(path + query, headers: TokenTests.bearer("read"))
      #expect(answer.status == 403)
      #expect(answer["WWW-Authenticate"]?.contains("scope=\"write\"") == true)
    }
    #expect(try api.get(path, headers: writer).json["items"].array.count == 1)
  }

  @Test func aBatchNeedsNoMoreThanWriteAndReachesNoOtherHost() throws {
    let api = try api(.inProcess)
    let batch =
      #"{"operations":[{"method":"POST","path":"/v1/ioas","body":{"id":"ram"}},"#
      + #"{"assert":{"path":"/v1/ioas/ram","exists":true}}]}"#
    #expect(try api.post("/v1/batch", batch, headers: TokenTests.bearer("read")).status == 403)
    #expect(try api.post("/v1/batch", batch, headers: TokenTests.bearer("d")).status == 200)
    try api.put("/v1/hosts/a", "{}", headers: TokenTests.bearer("a"))
    for inner in [
      #"{"method":"POST","path":"/v1/hosts/a/ioas","body":{}}"#,
      #"{"method":"DELETE","path":"/v1/hosts/a"}"#,
      #"{"assert":{"path":"/v1/hosts/a/ioas/ram","exists":false}}"#,
    ] {
      let answer = try api.post(
        "/v1/batch", #"{"operations":[\#(inner)]}"#, headers: TokenTests.bearer("d"))
      #expect(answer.status == 422, "\(inner)")
    }
  }

  // MARK: Hosts

  @Test(arguments: Transport.allCases)
  func aTokenIsGoodForItsHostsAlone(_ transport: Transport) throws {
    let api = try api(transport)
    let owner = TokenTests.bearer("a")
    // Whether there is such a host makes no difference.
    for path in [
      "/v1/ioas", "/v1/hosts/default", "/v1/hosts/default/ioas", "/v1/hosts/none",
      "/v1/hosts/none/ioas", "/v1/hosts/%62/ioas", "/metrics",
    ] {
      let answer = try api.get(path, headers: owner)
      #expect(answer.status == 403, "\(path)")
      #expect(answer.json["code"].string == "forbidden")
    }
    #expect(try api.put("/v1/hosts/b", "{}", headers: owner).status == 403)
    #expect(try api.delete("/v1/hosts/b?allow_missing=true", headers: owner).status == 403)
    // The name of this host would be in the body.
    #expect(try api.post("/v1/hosts", #"{"id":"a"}"#, headers: owner).status == 403)
    #expect(try api.get("/v1/hosts/a", headers: owner).status == 404)
    #expect(try api.put("/v1/hosts/a", "{}", headers: owner).status == 201)
    #expect(try api.post("/v1/hosts/%61/ioas", "{}", headers: owner).status == 201)
    #expect(try api.get("/v1/hosts/a", headers: owner).status == 200)
    #expect(try api.post("/v1/hosts/a/reset", headers: owner).status == 200)
    #expect(try api.get("/version", headers: owner).status == 200)
    #expect(try api.get("/metrics", headers: TokenTests.bearer("read")).status == 200)
    let words = #"{"words":["0x0","0x0"]}"#
    #expect(try api.post("/v1/decode/command", words, headers: owner).status != 403)
    #expect(try api.delete("/v1/hosts/a", headers: owner).status == 200)
  }

  @Test func aListingShowsTheHostsOfTheTokenAndItsPagesAreFull() throws {
    let api = try api(.inProcess)
    tokens.replace(
      with: TokenTests.usual + [TokenTests.token("bd", .read, ["b", "d", "missing"])])
    for name in ["a", "b", "c", "d", "e"] {
      try api.put("/v1/hosts/" + name, "{}", headers: TokenTests.bearer("admin"))
    }
    func page(_ query: String, _ token: String) throws -> (names: [String], next: String?) {
      let json = try api.get("/v1/hosts" + query, headers: TokenTests.bearer(token)).json
      return (json["items"].array.compactMap { $0["id"].string }, json["next"].string)
    }
    #expect(try page("", "read").names == ["a", "b", "c", "d", "default", "e"])
    #expect(try page("", "bd") == (["b", "d"], nil))
    #expect(try page("?limit=1", "bd") == (["b"], "b"))
    #expect(try page("?limit=1&cursor=b", "bd") == (["d"], nil))
    #expect(try page("?limit=2", "bd") == (["b", "d"], nil))
  }

  // MARK: Replacing

  @Test(arguments: Transport.allCases)
  func aTokenThatIsTakenAwayIsNoGoodFromThenOn(_ transport: Transport) throws {
    let api = try api(transport)
    let reader = TokenTests.bearer("read")
    #expect(try api.get("/v1/ioas", headers: reader).status == 200)
    tokens.replace(with: [TokenTests.token("new", .read)])
    #expect(try api.get("/v1/ioas", headers: reader).status == 401)
    #expect(try api.get("/v1/ioas", headers: TokenTests.bearer("new")).status == 200)
    tokens.replace(with: [])
    #expect(try api.get("/v1/ioas", headers: TokenTests.bearer("new")).status == 401)
    #expect(try api.get("/livez").status == 200)
  }

  @Test func aStreamEndsWithItsTokenAndGoesOnWithItIfItStays() throws {
    let api = try api(.overSocket)
    let path = "/v1/events?follow=true"
    let removed = try api.stream(path, headers: TokenTests.bearer("read"))
    let narrowed = try api.stream(path, headers: TokenTests.bearer("d"))
    let kept = try api.stream(path, headers: TokenTests.bearer("write"))
    for stream in [removed, narrowed, kept] { #expect(try stream.next("hello") != nil) }
    tokens.replace(with: [TokenTests.token("write", .write), TokenTests.token("d", .write, ["a"])])
    for stream in [removed, narrowed] {
      #expect(try stream.next("bye")?["reason"].string == "unauthorized")
      #expect(try stream.next() == nil)
    }
    try api.post("/v1/ioas", "{}", headers: TokenTests.bearer("write"))
    #expect(try kept.next("ioas.created") != nil)
  }
}
