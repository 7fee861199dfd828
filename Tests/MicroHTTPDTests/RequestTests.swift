// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import RawHTTPClient
import Testing

@Suite struct RequestTests {
  @Test func connectionServesManyRequests() throws {
    let server = try TestServer()
    let client = try server.client()
    for index in 0..<100 {
      let response = try client.exchange(get("/\(index)"))
      #expect(response.text == "GET /\(index)\n")
      #expect(response["Connection"] == nil)
    }
    #expect(server.server.counters[.connectionsAccepted] == 1)
    #expect(server.server.counters[.requests] == 100)
  }

  @Test func connectionCloseIsObeyed() throws {
    let server = try TestServer()
    let client = try server.client()
    #expect(try client.exchange(get("/", "Connection: close")).closesConnection)
    #expect(try client.isAtEnd())
  }

  @Test func oldVersionClosesUnlessAskedToStay() throws {
    let server = try TestServer()
    let staying = try server.client()
    for _ in 0..<3 {
      let request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
      #expect(try staying.exchange(request)["Connection"] == "Keep-Alive")
    }
    let leaving = try server.client()
    #expect(try leaving.exchange("GET / HTTP/1.0\r\n\r\n").closesConnection)
    #expect(try leaving.isAtEnd())
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() throws {
    let server = try TestServer()
    let client = try server.client()
    let count = 2000
    client.send((0..<count).map { get("/\($0)") }.joined())
    for index in 0..<count {
      #expect(try client.readResponse().text == "GET /\(index)\n")
    }
  }

  @Test func pipelinedBodiesAreToldFromRequests() throws {
    let server = try TestServer()
    let client = try server.client()
    client.send(post("/a", get("/not-me")) + post("/b", "") + get("/c"))
    #expect(try client.readResponse().text == "POST /a\n" + get("/not-me"))
    #expect(try client.readResponse().text == "POST /b\n")
    #expect(try client.readResponse().text == "GET /c\n")
    let length = UInt64(get("/not-me").utf8.count)
    #expect(server.handler.seen.map(\.head.contentLength) == [length, 0, nil])
    #expect(server.handler.seen.map(\.head.hasBody) == [true, false, false])
  }

  @Test func bodyComesWholeHoweverItIsCut() throws {
    let server = try TestServer()
    let client = try server.client()
    let request = Array(post("/x", "0123456789").utf8)
    for byte in request { client.send([byte]) }
    #expect(try client.readResponse().text == "POST /x\n0123456789")
  }

  @Test func chunkedBodyIsPutTogether() throws {
    let server = try TestServer()
    let client = try server.client()
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(head + "3\r\nabc\r\n004\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n")
    #expect(try client.readResponse().text == "POST /x\nabcdefg")
    let seen = server.handler.seen[0].head
    #expect(seen.hasBody)
    #expect(seen.contentLength == nil)
  }

  @Test(.enabled(if: !isLibraryStrict)) func chunkExtensionsAreSkipped() throws {
    let server = try TestServer()
    let client = try server.client()
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(head + "3;ext=1;y=\"z\"\r\nabc\r\n0\r\n\r\n")
    #expect(try client.readResponse().text == "POST /x\nabc")
    withExtendedLifetime(server) {}
  }

  @Test func badChunkClosesTheConnection() throws {
    let server = try TestServer()
    let client = try server.client()
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(head + "zz\r\nabc\r\n0\r\n\r\n" + get("/smuggled"))
    #expect(try Set(statuses(in: client.readToEnd())) == [400])
    #expect(server.handler.seen.isEmpty)
  }

  @Test func headGetsTheLengthAndNoBody() throws {
    let server = try TestServer()
    let client = try server.client()
    let response = try client.exchange("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(response["Content-Length"] == "\("HEAD /x\n".utf8.count)")
    #expect(try client.exchange(get("/y")).text == "GET /y\n")
  }

  @Test func knownFieldsReachTheHandler() throws {
    let server = try TestServer()
    let client = try server.client()
    _ = try client.exchange(
      get("/", "ACCEPT: a", "accept: b", "If-Match: \"1\"", "Last-Event-ID:  7", "Unknown: x"))
    let headers = server.handler.seen[0].head.headers
    #expect(headers[.accept] == "a, b")
    #expect(headers[.ifMatch] == "\"1\"")
    #expect(headers[.lastEventID] == "7")
    #expect(headers[.authorization] == nil)
  }

  @Test func requestIDIsTheClientsOrOurs() throws {
    let server = try TestServer()
    let client = try server.client()
    #expect(try client.exchange(get("/", "X-Request-ID: abc/1"))["X-Request-ID"] == "abc/1")
    let first = try #require(try client.exchange(get("/"))["X-Request-ID"])
    let second = try #require(try client.exchange(get("/", "X-Request-ID: a b"))["X-Request-ID"])
    #expect(first.count == 15)
    #expect(first.prefix(7) == second.prefix(7))
    #expect(first < second)
  }

  @Test func responseFieldsAreSent() throws {
    let server = try TestServer(
      TestHandler { _ in
        Response(
          status: 201, headers: [(.location, "/v1/x"), (.etag, "\"1\""), (.requestID, "own")],
          body: .bytes(Array("body".utf8)))
      })
    let response = try server.client().exchange(get("/"))
    #expect(response.status == 201)
    #expect(response["Location"] == "/v1/x")
    #expect(response["ETag"] == "\"1\"")
    #expect(response.fields.filter { $0.name == "X-Request-ID" }.map(\.value) == ["own"])
    #expect(response["Date"] != nil)
  }

  @Test func handlerMayCloseTheConnection() throws {
    let server = try TestServer(
      TestHandler { _ in
        var response = Response(status: 200, json: Array("{}".utf8))
        response.closesConnection = true
        return response
      })
    let client = try server.client()
    #expect(try client.exchange(get("/")).closesConnection)
    #expect(try client.isAtEnd())
  }

  @Test func largeBodiesGoBothWays() throws {
    let server = try TestServer()
    let client = try server.client()
    let body = String(repeating: "0123456789abcdef", count: 1 << 18)
    client.send(post("/x", body))
    #expect(try client.readResponse().text == "POST /x\n" + body)
  }
}
