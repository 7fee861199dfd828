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
