// SPDX-License-Identifier: Apache-2.0
import Glibc
import HTTPCore
import RawHTTPClient
import Testing

@Suite struct LimitTests {
  /// The listener rests while the limit is reached, and has to be taken back when all have gone.
  @Test(arguments: [0, 1, 5])
  func clientsAreAcceptedAgainWhenAllHaveGone(waiting: Int) throws {
    let limit = 20
    let server = try TestServer { $0.connections = limit }
    do {
      var clients: [RawClient] = []
      for _ in 0..<limit {
        let client = try server.client()
        #expect(try client.exchange(get("/")).status == 200)
        clients.append(client)
      }
      // These wait in the backlog, are never answered, and give up.
      for _ in 0..<waiting { clients.append(try server.client()) }
    }
    let late = try server.client()
    #expect(try late.exchange(get("/late")).status == 200)
  }

  @Test(arguments: [0, 1])
  func bodyMayBeAsLongAsTheLimit(_ excess: Int) throws {
    let server = try TestServer { $0.body = 100_000 }
    let client = try server.client()
    let response = try client.exchange(post("/x", String(repeating: "a", count: 100_000 + excess)))
    #expect(response.status == (excess == 0 ? 200 : 413))
    #expect(server.handler.seen.count == 1 - excess)
  }

  @Test(arguments: [0, 1])
  func chunkedBodyMayBeAsLongAsTheLimit(_ excess: Int) throws {
    let server = try TestServer { $0.body = 100_000 }
    let client = try server.client()
    let chunk = "2710\r\n" + String(repeating: "a", count: 10_000) + "\r\n"
    let chunks = String(repeating: chunk, count: 10) + (excess == 0 ? "" : "1\r\na\r\n")
    client.send(
      "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        + "0\r\n\r\n" + get("/next"))
    let response = try client.readResponse()
    if excess == 0 {
      // Nothing behind a body in chunks is looked at.
      #expect(response.status == 200)
      #expect(response.closesConnection)
      #expect(try client.isAtEnd())
      #expect(server.handler.seen.count == 1)
    } else {
      #expect(response.code == "payload_too_large")
      #expect(response.closesConnection)
      #expect(try client.isAtEnd())
      #expect(server.handler.seen.isEmpty)
    }
  }

  @Test func endlessChunkedBodyIsCutOff() throws {
    let server = try TestServer { $0.body = 1 << 20 }
    let client = try server.client()
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x61, count: 1 << 16) + [13, 10]
    // The answer is there long before the client is cut off.
    for _ in 0..<64 { client.send(chunk) }
    #expect(try client.readResponse().status == 413)
    #expect(server.handler.seen.isEmpty)
  }

  /// A line that is longer than the library's buffer would never be read to its end.
  @Test(arguments: [false, true])
  func endlessLineOfAChunkIsCutOff(_ isSecond: Bool) throws {
    let server = try TestServer()
    let client = try server.client()
    client.send(
      "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (isSecond ? "1\r\na\r\n" : "") + "2;" + String(repeating: "a", count: 100_000))
    let response = try client.readResponse()
    #expect(response.status == 413)
    #expect(response.code == "payload_too_large")
    #expect(try client.isAtEnd())
    #expect(server.handler.seen.isEmpty)
    while server.server.counters[.connectionsOpen] > 0 { sched_yield() }
  }

  /// As long as the library reads, the line is not too long.
  @Test func longLineOfAChunkIsTaken() throws {
    let server = try TestServer()
    let client = try server.client()
    client.send(
      "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;"
        + String(repeating: "a", count: 8000) + "\r\nok\r\n0\r\n\r\n")
    #expect(try client.readResponse().text == "POST /x\nok")
  }

  @Test(arguments: [0, 1])
  func targetMayBeAsLongAsTheLimit(_ excess: Int) throws {
    let server = try TestServer()
    let client = try server.client()
    let path = "/" + String(repeating: "a", count: Limits().target - 1 + excess)
    let response = try client.exchange(get(path))
    #expect(response.status == (excess == 0 ? 200 : 414))
    #expect(excess == 0 || response.code == "uri_too_long")
  }

  @Test func queryOfManyParametersReachesTheHandler() throws {
    let server = try TestServer()
    let client = try server.client()
    let query = String(repeating: "a&", count: Limits().target / 2 - 1)
    #expect(try client.exchange(get("/?" + query)).status == 200)
    #expect(server.handler.seen[0].head.target.query == Array(query.utf8))
  }

  @Test(arguments: [0, 1])
  func headerSectionMayBeAsLongAsTheLimit(_ excess: Int) throws {
    let server = try TestServer()
    let client = try server.client()
    // Everything behind the request line counts, the empty line as well.
    let others = "Host: a\r\nX: \r\n\r\n".utf8.count
    let value = String(repeating: "v", count: Limits().headers - others + excess)
    let response = try client.exchange(get("/", "X: \(value)"))
    #expect(response.status == (excess == 0 ? 200 : 431))
    #expect(excess == 0 || response.code == "headers_too_large")
  }

  /// The library keeps a record of each field, which is larger than the field may be.
  @Test(arguments: ["a:", "a: b"])
  func fiveHundredShortFieldsAreTaken(_ field: String) throws {
    let server = try TestServer()
    let client = try server.client()
    let fields = String(repeating: field + "\r\n", count: 500)
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\(fields)\r\nok"
    for _ in 0..<2 { #expect(try client.exchange(request).text == "POST /\nok") }
  }

  @Test func aHundredFieldsMayFillTheHeaderSectionUnderTheLongestTarget() throws {
    let server = try TestServer {
      $0.headers = 24 << 10
      $0.target = 24 << 10
    }
    let client = try server.client()
    let value = String(repeating: "v", count: (24 << 10) / 100 - 5)
    let fields = String(repeating: "X: \(value)\r\n", count: 99)
    let path = "/" + String(repeating: "a", count: (24 << 10) - 1)
    let request = "GET \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
    for _ in 0..<2 { #expect(try client.exchange(request).status == 200) }
  }

  /// Every number of fields around the one that fills the memory gets a whole answer: first ours,
  /// then, where the library finds it full by itself, its own.
  @Test func tooManyFieldsGetAnAnswer() throws {
    let server = try TestServer()
    var codes: Set<String?> = []
    for count in stride(from: 480, through: 580, by: 1) {
      let client = try server.client()
      let fields = String(repeating: "a: b\r\n", count: count)
      client.send("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
      let response = try client.readResponse()
      #expect(response.status == 200 || response.status == 431)
      codes.insert(response.status == 200 ? "taken" : response.code)
    }
    #expect(codes.contains("taken"))
    #expect(codes.contains("headers_too_large"))
  }

  @Test func targetAndHeaderSectionMayBothBeAtTheirLimits() throws {
    let server = try TestServer()
    let client = try server.client()
    let others = "Host: a\r\nX: \r\n\r\n".utf8.count
    let value = String(repeating: "v", count: Limits().headers - others)
    let path = "/" + String(repeating: "a", count: Limits().target - 1)
    #expect(try client.exchange(get(path, "X: \(value)")).status == 200)
  }

  @Test func headOverTheConnectionsMemoryIsRefusedByTheLibrary() throws {
    let server = try TestServer()
    let long = String(repeating: "v", count: 40_000)
    for (request, status) in [(get("/", "X: \(long)"), 431), (get("/" + long), 414)] {
      let client = try server.client()
      client.send(request + get("/smuggled"))
      #expect(try Set(statuses(in: client.readToEnd())) == [status])
    }
    #expect(server.handler.seen.isEmpty)
  }

  @Test func clientsOverTheLimitWaitForAPlace() throws {
    let server = try TestServer { $0.connections = 2 }
    let first = try server.client()
    let second = try server.client()
    #expect(try first.exchange(get("/1")).status == 200)
    #expect(try second.exchange(get("/2")).status == 200)
    let third = try server.client()
    third.send(get("/3"))
    #expect(!third.waitReadable(milliseconds: 200))
    #expect(try first.exchange(get("/4", "Connection: close")).status == 200)
    #expect(try first.isAtEnd())
    #expect(try third.readResponse().text == "GET /3\n")
    withExtendedLifetime(second) {}
  }
}
