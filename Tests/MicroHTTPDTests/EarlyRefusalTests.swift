// SPDX-License-Identifier: Apache-2.0
import Dispatch
import HTTPCore
import RawHTTPClient
import Testing

@Suite struct EarlyRefusalTests {
  /// A server that refuses `/no`, and a client of it.
  private func client() throws -> (TestServer, RawClient) {
    let server = try TestServer(
      TestHandler(refuse: { head in
        head.target.rawPath == Array("/no".utf8)
          ? Problem(.unsupportedMediaType, "no").response() : nil
      }))
    return (server, try server.client())
  }

  @Test func clientIsAskedToGoOn() throws {
    let (server, client) = try client()
    client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    #expect(try client.readHead().status == 100)
    client.send("abc")
    #expect(try client.readResponse().text == "POST /x\nabc")
    withExtendedLifetime(server) {}
  }

  /// Nobody who has no body waits to be asked for it, and the library, asking, would take the next
  /// request for the body of this one.
  @Test(arguments: ["GET", "DELETE", "POST", "PUT"])
  func withoutABodyNobodyIsAskedToGoOn(_ method: String) throws {
    let (server, client) = try client()
    let length = method == "GET" ? "" : "Content-Length: 0\r\n"
    let request =
      "\(method) /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\(length)"
      + "expect: 100-Continue\r\n\r\n"
    client.send(request + request + get("/next"))
    for _ in 0..<2 { #expect(try client.readResponse().text == "\(method) /x\n") }
    #expect(try client.readResponse().text == "GET /next\n")
    withExtendedLifetime(server) {}
  }

  @Test func deferredAnswersToExpectationsWithoutABodyComeInOrder() throws {
    let server = try TestServer(
      TestHandler { request in
        let deferred = DeferredResponse()
        DispatchQueue.global().async { deferred.fulfil(TestHandler.echo(request)) }
        return Response(status: 200, body: .deferred(deferred))
      })
    let client = try server.client()
    client.send((0..<5).map { get("/\($0)", "Expect: 100-continue") }.joined())
    for number in 0..<5 { #expect(try client.readResponse().text == "GET /\(number)\n") }
  }

  @Test func refusalComesInTheStead() throws {
    let (server, client) = try client()
    client.send("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    let response = try client.readResponse()
    #expect(response.status == 415)
    #expect(response.closesConnection)
    #expect(try client.isAtEnd())
    withExtendedLifetime(server) {}
  }

  @Test func declaredLengthOverTheLimitIsRefusedBeforeTheBody() throws {
    let server = try TestServer { $0.body = 1000 }
    let client = try server.client()
    client.send(
      "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
    let response = try client.readResponse()
    #expect(response.status == 413)
    #expect(response.code == "payload_too_large")
    #expect(server.handler.seen.isEmpty)
  }

  @Test func smallRefusedBodyKeepsTheConnection() throws {
    let server = try TestServer(
      TestHandler(answer: { request in
        request.path == "/no"
          ? Problem(.unsupportedMediaType, "no").response() : TestHandler.echo(request)
      }))
    let client = try server.client()
    client.send(post("/no", get("/smuggled")) + get("/next"))
    #expect(try client.readResponse().status == 415)
    #expect(try client.readResponse().text == "GET /next\n")
    #expect(server.handler.seen.map(\.path) == ["/no", "/next"])
  }

  @Test func withoutABodyThereIsNothingToRefuseEarly() throws {
    let (server, client) = try client()
    client.send(get("/no") + get("/next"))
    #expect(try client.readResponse().text == "GET /no\n")
    #expect(try client.readResponse().text == "GET /next\n")
    withExtendedLifetime(server) {}
  }

  @Test func largeRefusedBodyIsAnsweredThoughItKeepsComing() throws {
    let (server, client) = try client()
    client.send(
      Array("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n".utf8)
        + [UInt8](repeating: 0x41, count: 8_000_000))
    #expect(try statuses(in: client.readToEnd()) == [415])
    withExtendedLifetime(server) {}
  }

  @Test func refusedChunkedBodyClosesTheConnection() throws {
    let (server, client) = try client()
    client.send(
      "POST /no HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
        + get("/smuggled"))
    #expect(try statuses(in: client.readToEnd()) == [415])
    #expect(server.handler.seen.isEmpty)
  }
}
