// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import RawHTTPClient
import Testing

@Suite struct DeadlineTests {
  /// Sends a byte now and then, until the server has enough of it.
  private func dribble(_ bytes: [UInt8], on client: RawClient) throws -> [UInt8] {
    for byte in bytes {
      client.send([byte])
      if client.waitReadable(milliseconds: 100) { return try client.readToEnd() }
    }
    throw RawClient.Failure.timedOut
  }

  private func server() throws -> TestServer {
    try TestServer {
      $0.headerSeconds = 1
      $0.bodySeconds = 1
      $0.idleSeconds = 30
    }
  }

  @Test func slowRequestLineIsCutOff() throws {
    let server = try server()
    let line = Array(get("/" + String(repeating: "a", count: 1000)).utf8)
    let answer = try dribble(line, on: server.client())
    #expect(statuses(in: answer) == [408])
    #expect(server.server.counters[.requestsTimedOut] == 1)
  }

  @Test func slowSecondRequestLineIsCutOff() throws {
    let server = try server()
    let client = try server.client()
    #expect(try client.exchange(get("/")).status == 200)
    let line = Array(get("/" + String(repeating: "a", count: 1000)).utf8)
    #expect(try statuses(in: dribble(line, on: client)) == [408])
  }

  @Test func slowHeaderSectionIsCutOff() throws {
    let server = try server()
    let client = try server.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ")
    let value = [UInt8](repeating: 0x61, count: 1000)
    #expect(try statuses(in: dribble(value, on: client)) == [408])
    #expect(server.handler.seen.isEmpty)
  }

  @Test func slowBodyIsCutOff() throws {
    let server = try server()
    let client = try server.client()
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    let body = [UInt8](repeating: 0x61, count: 1000)
    let answer = try dribble(body, on: client)
    #expect(statuses(in: answer) == [408])
    let text = String(decoding: answer, as: UTF8.self)
    #expect(text.contains("\"code\":\"request_timeout\""))
    #expect(text.contains("\r\nX-Request-ID: "))
    #expect(server.handler.seen.isEmpty)
  }

  @Test func idleConnectionIsClosedWithoutAWord() throws {
    let server = try TestServer { $0.idleSeconds = 1 }
    let client = try server.client()
    #expect(try client.exchange(get("/")).status == 200)
    #expect(try client.readToEnd().isEmpty)
    let silent = try server.client()
    #expect(try silent.readToEnd().isEmpty)
  }

  @Test func waitingClientIsNotTakenForASlowOne() throws {
    let server = try server()
    let client = try server.client()
    #expect(try client.exchange(get("/1")).status == 200)
    // Longer than a header section may take, and two sweeps.
    #expect(!client.waitReadable(milliseconds: 3200))
    #expect(try client.exchange(get("/2")).status == 200)
  }
}
