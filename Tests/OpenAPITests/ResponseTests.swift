// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@Suite("Answers and their schemas")
struct ResponseTests {
  /// Sends a request and holds the answer against the document: its status, its header fields,
  /// its media type and every member of its body.
  private func exchange(
    _ service: Service, _ checker: SchemaChecker, _ method: String, _ path: String,
    _ body: String = "", _ headers: [Headers.Name: String] = [:]
  ) throws {
    let answer = try service.send(method, path, Array(body.utf8), headers)
    let title = "\(method) \(path) \(answer.status)"
    guard let operation = Document.operation(method, path),
      let response = operation.response(answer.status)
    else {
      Issue.record("\(title) is not documented: \(String(decoding: answer.body, as: UTF8.self))")
      return
    }
    checkHeaders(answer, response, title)
    guard let type = answer.mediaType else {
      #expect(answer.body.isEmpty && response["content"] == nil, "\(title)")
      return
    }
    let content = response["content"]?[type]
    #expect(content != nil, "\(title) \(type)")
    for document in try documents(answer, type) {
      let schema = content?["x-line-schema"] ?? content?["schema"] ?? .null
      let errors = checker.errors(document, schema)
      #expect(errors == [], "\(title)")
    }
  }

  private func checkHeaders(_ answer: Service.Answer, _ response: JSONTree, _ title: String) {
    let documented = response["headers"]?.members ?? []
    for (name, value) in answer.response.headers where name != .contentType {
      let header = documented.first { $0.name == name.rawValue }.map { Document.resolve($0.value) }
      let errors = SchemaChecker().errors(.string(value), header?["schema"] ?? .null)
      #expect(header != nil && errors == [], "\(title) \(name.rawValue) \(errors)")
    }
    // The server of HTTP names the requests.
    for header in documented where header.name != "X-Request-ID" {
      guard Document.resolve(header.value)["required"] == .bool(true) else { continue }
      let isThere = answer.response.headers.contains { $0.name.rawValue == header.name }
      #expect(isThere, "\(title) has no \(header.name)")
    }
  }

  /// The JSON documents of a body: one, or one a line.
  private func documents(_ answer: Service.Answer, _ type: String) throws -> [JSONTree] {
    switch type {
    case MediaType.json, MediaType.problem: return [try JSONTree(json: answer.body)]
    case MediaType.ndjson: return try lines(answer.body).map { try JSONTree(json: $0) }
    case MediaType.eventStream:
      let prefix = Array("data: ".utf8)
      return try lines(answer.body).filter { $0.starts(with: prefix) }.map {
        try JSONTree(json: Array($0.dropFirst(prefix.count)))
      }
    default: return []
    }
  }

  private func lines(_ bytes: [UInt8]) -> [[UInt8]] {
    bytes.split(separator: UInt8(ascii: "\n")).map { Array($0) }
  }

  @Test("Whatever is answered is as the document says, and all that the document says is answered")
  func answers() throws {
    let service = try Service()
    try service.furnish()
    let checker = SchemaChecker()
    for (method, path, body) in Script.requests {
      try exchange(service, checker, method, path, body)
    }
    for path in ["events", "events?snapshot=true", "veventqs/events0/events?follow=true"] {
      try exchange(service, checker, "GET", "/v1/" + path, "", [.accept: "text/event-stream"])
    }
    for (method, path, body) in Script.ends { try exchange(service, checker, method, path, body) }
    var missing: Set<String> = []
    for schema in Document.json["components"]?["schemas"]?.members ?? []
    where !Script.isAboutRequests(schema.name) {
      for name in schema.value["properties"]?.names ?? [] {
        missing.insert("\(schema.name).\(name)")
      }
    }
    #expect(missing.subtracting(checker.met) == [], "nothing has shown these")
  }

  @Test("The log has whatever the hardware puts there, but that records were lost")
  func hardwareEvents() throws {
    let service = try Service()
    for (method, path, body) in Script.Hardware.machine {
      _ = try service.send(method, path, Array(body.utf8))
    }
    let log = try service.send("GET", "/v1/hosts/h1/events")
    let types = try lines(log.body).map { try JSONTree(json: $0)["type"]?.string ?? "" }
    let known = Document.schema("EventType")["enum"]?.strings ?? []
    let objects: Set<String> = ["smmu.created", "smmu.updated", "smmu.deleted"]
    let wanted =
      known.filter { $0.hasPrefix("smmu.") && !objects.contains($0) }
      + ["hw-queue.ran", "ioas.written"]
    #expect(Set(wanted).subtracting(types) == ["smmu.events_lost"])
  }

  @Test("Whoever has no token, or one that does not suffice, gets the refusal of the document")
  func tokens() throws {
    let reader = Token(
      name: "reader", digest: Token.digest(of: "r"), scope: .read, hosts: ["default"])
    let service = try Service(tokens: TokenGuard([reader]))
    let checker = SchemaChecker()
    for operation in Document.operations {
      let body = operation.bodySchema == nil ? "" : "{}"
      let isOpen = operation.response(401) == nil
      for headers in [[:], [.authorization: "Bearer x"]] as [[Headers.Name: String]] {
        try exchange(service, checker, operation.method, operation.examplePath, body, headers)
        let answer = try service.send(
          operation.method, operation.examplePath, Array(body.utf8), headers)
        #expect((answer.status == 401) != isOpen, "\(operation.operationID)")
      }
    }
    let known: [Headers.Name: String] = [.authorization: "Bearer r"]
    for (method, path, status) in [
      ("POST", "/v1/reset", 403), ("GET", "/v1/hosts/other", 403), ("GET", "/metrics", 403),
      ("GET", "/v1/hosts", 200),
    ] {
      try exchange(service, checker, method, path, "", known)
      #expect(try service.send(method, path, [], known).status == status, "\(path)")
    }
    try exchange(service, checker, "GET", "/v1/ioas", "", [.host: "evil.example"])
    try exchange(service, checker, "GET", "/livez", "", [.origin: "http://evil.example"])
  }

  @Test("What a client has already is not sent again")
  func notModified() throws {
    let service = try Service()
    try service.furnish()
    // Registers change, but of a mock there are none.
    let still = [
      "/v1/viommus/v0": "/v1/viommus/w0", "/v1/hw-queues/vcmdq0": "/v1/hw-queues/wqueue0",
    ]
    let paths = Document.operations.filter { $0.response(304) != nil }.map {
      still[$0.examplePath] ?? $0.examplePath
    }
    for path in paths where !path.contains("/t1") {
      let tag = try #require(try service.send("GET", path).response[.etag], "\(path)")
      try exchange(service, SchemaChecker(), "GET", path, "", [.ifNoneMatch: tag])
      #expect(try service.send("GET", path, [], [.ifNoneMatch: tag]).status == 304, "\(path)")
    }
  }

  @Test("A page that is not the last one links to the next")
  func pages() throws {
    let service = try Service()
    try service.furnish()
    #expect(try service.send("PUT", "/v1/hosts/t1").status == 201)
    for path in ["/v1/hosts", "/v1/hw-queues", "/v1/ioas/guest-memory/mappings"] {
      let first = try service.send("GET", path + "?limit=1")
      let link = try #require(first.response[.link], "\(path)")
      let second = try service.send("GET", String(link.dropFirst().prefix { $0 != ">" }))
      #expect(second.json["items"]?.elements.count == 1, "\(path)")
      #expect(second.json["items"] != first.json["items"], "\(path)")
      #expect(second.response[.link] == nil, "\(path)")
    }
  }

  @Test("A stale precondition is refused, and a repetition says that it is one")
  func conditions() throws {
    let service = try Service()
    let checker = SchemaChecker()
    try exchange(service, checker, "POST", "/v1/ioas", "{}", [.ifMatch: "\"e0-0\""])
    for _ in 0..<2 {
      try exchange(service, checker, "POST", "/v1/ioas", "{}", [.idempotencyKey: "once"])
    }
    try exchange(service, checker, "POST", "/v1/ioas", #"{"id":"a"}"#, [.idempotencyKey: "once"])
    #expect(try service.send("GET", "/v1/ioas").json["items"]?.elements.count == 1)
  }

  @Test("Every path of the document exists under a host's path too, but those of hosts themselves")
  func hostPaths() throws {
    let service = try Service()
    let scope = Document.json["x-host-scope"]
    let except = Set(scope?["except"]?.strings ?? [])
    let also = scope?["also"]?.string?.replacing("{host}", with: "default") ?? ""
    for operation in Document.operations
    where operation.path.hasPrefix("/v1/") && !except.contains(operation.path) {
      let path = also + operation.examplePath.dropFirst("/v1/".count)
      let answer = try service.send("OPTIONS", path)
      let allowed = answer.response[.allow]?.split(separator: ", ").map(String.init) ?? []
      #expect(answer.status == 204 && allowed.contains(operation.method), "\(path)")
    }
  }
}
