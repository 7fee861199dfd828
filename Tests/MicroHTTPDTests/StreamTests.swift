// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import RawHTTPClient
import Testing

@Suite struct StreamTests {
  private func server(_ log: LineLog, _ adjust: (inout Limits) -> Void = { _ in }) throws
    -> TestServer
  {
    try TestServer(
      TestHandler { request in
        request.path == "/stream" ? log.response() : TestHandler.echo(request)
      }, adjust)
  }

  /// Reads the lines of a chunked stream.
  private struct LineReader {
    let client: RawClient
    private var rest = ""

    init(_ client: RawClient) throws {
      self.client = client
      client.send(get("/stream"))
      let head = try client.readHead()
      #expect(head.status == 200)
      #expect(head["Transfer-Encoding"] == "chunked")
    }

    /// nil at the stream's end.
    mutating func next() throws -> String? {
      while true {
        if let end = rest.firstIndex(of: "\n") {
          defer { rest = String(rest[rest.index(after: end)...]) }
          return String(rest[..<end])
        }
        guard let chunk = try client.readChunk() else { return nil }
        rest += String(decoding: chunk, as: UTF8.self)
      }
    }
  }

  @Test func streamCatchesUpAndFollows() throws {
    let log = LineLog()
    let server = try server(log)
    for index in 0..<5000 { log.append("\(index)") }
    var reader = try LineReader(server.client())
    for index in 0..<5000 { #expect(try reader.next() == "\(index)") }
    for index in 5000..<5100 {
      log.append("\(index)")
      #expect(try reader.next() == "\(index)")
    }
    #expect(server.server.counters[.streamsOpen] == 1)
  }

  @Test func everyReaderGetsEverythingInOrder() throws {
    let log = LineLog()
    let server = try server(log)
    let readers = 50
    let lines = 500
    var all = try (0..<readers).map { _ in try LineReader(server.client()) }
    for index in 0..<lines { log.append("\(index)") }
    for reader in all.indices {
      for index in 0..<lines { #expect(try all[reader].next() == "\(index)") }
    }
  }

  @Test func lineLargerThanAChunkComesWhole() throws {
    let log = LineLog()
    let server = try server(log)
    let large = String(repeating: "x", count: 300_000)
    var reader = try LineReader(server.client())
    log.append(large)
    log.append("next")
    #expect(try reader.next() == large)
    #expect(try reader.next() == "next")
  }

  @Test func requestPublishesToStreamsOfTheSameThread() throws {
    let log = LineLog()
    let server = try TestServer(
      TestHandler { request in
        if request.path == "/stream" { return log.response() }
        log.append(request.path)
        return TestHandler.echo(request)
      })
    var reader = try LineReader(server.client())
    let client = try server.client()
    for index in 0..<100 {
      #expect(try client.exchange(get("/\(index)")).status == 200)
      #expect(try reader.next() == "/\(index)")
    }
  }

  @Test func missedWakeUpIsMadeGood() throws {
    let log = LineLog()
    let server = try server(log)
    var reader = try LineReader(server.client())
    log.append("told")
    #expect(try reader.next() == "told")
    log.appendSilently("not told")
    #expect(try reader.next() == "not told")
  }

  @Test func stalledReaderHoldsUpNobody() throws {
    let log = LineLog()
    let server = try server(log)
    let stalled = try server.client()
    stalled.limitReceiveBuffer(to: 4096)
    stalled.send(get("/stream"))
    var reader = try LineReader(server.client())
    let line = String(repeating: "y", count: 10_000)
    for index in 0..<1000 {
      log.append("\(index)\(line)")
      #expect(try reader.next() == "\(index)\(line)")
    }
    #expect(try server.client().exchange(get("/")).status == 200)
    #expect(log.closedCount == 0)
    withExtendedLifetime(stalled) {}
  }

  @Test func departureIsNoticedWithoutAnEvent() throws {
    let log = LineLog()
    let server = try server(log)
    var reader: LineReader? = try LineReader(server.client())
    log.append("first")
    #expect(try reader?.next() == "first")
    reader = nil
    let start = ContinuousClock.now
    #expect(log.waitForClosing())
    // Long before the sweep, let alone a heartbeat.
    #expect(ContinuousClock.now - start < .milliseconds(500))
    #expect(log.closedCount == 1)
    #expect(server.server.counters[.streamsOpen] == 0)
  }

  @Test func resetIsNoticedWithoutAnEvent() throws {
    let log = LineLog()
    let server = try server(log)
    var reader: LineReader? = try LineReader(server.client())
    log.append("first")
    #expect(try reader?.next() == "first")
    reader?.client.reset()
    reader = nil
    #expect(log.waitForClosing())
    #expect(log.closedCount == 1)
  }

  @Test func halfClosedClientKeepsReceiving() throws {
    let log = LineLog()
    let server = try server(log)
    var reader = try LineReader(server.client())
    log.append("1")
    #expect(try reader.next() == "1")
    reader.client.finishSending()
    // What the server writes to find out whether anybody is there.
    #expect(try reader.next() == "mark")
    for index in 2..<50 {
      log.append("\(index)")
      #expect(try reader.next() == "\(index)")
    }
    #expect(log.closedCount == 0)
    withExtendedLifetime(server) {}
  }

  @Test func oldClientsStreamEndsWithTheConnection() throws {
    let log = LineLog()
    let server = try server(log)
    log.append("1")
    let client = try server.client()
    client.send("GET /stream HTTP/1.0\r\n\r\n")
    let head = try client.readHead()
    #expect(head["Transfer-Encoding"] == nil)
    #expect(head.closesConnection)
    #expect(try client.readUntil("\n") == "1")
    log.append("2")
    #expect(try client.readUntil("\n") == "2")
    server.server.stop(gracePeriod: .seconds(10))
    #expect(try String(decoding: client.readToEnd(), as: UTF8.self) == "bye drain\n")
    #expect(log.closedCount == 1)
  }

  @Test func headOfAStreamHasNoBodyAndClosesTheSource() throws {
    let log = LineLog()
    let server = try server(log)
    log.append("1")
    let client = try server.client()
    client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(try client.readHead()["Content-Type"] == MediaType.ndjson)
    #expect(try client.readToEnd().isEmpty)
    #expect(log.closedCount == 1)
    withExtendedLifetime(server) {}
  }

  @Test func endedStreamLeavesTheConnection() throws {
    let server = try TestServer(
      TestHandler { request in
        guard request.path == "/stream" else { return TestHandler.echo(request) }
        let log = LineLog()
        log.append("only")
        let stream = LineStream(log)
        stream.finish(reason: .deleted)
        return Response(status: 200, body: .stream(stream))
      })
    let client = try server.client()
    #expect(try client.exchange(get("/stream")).text == "only\nbye deleted\n")
    #expect(try client.exchange(get("/next")).text == "GET /next\n")
  }

  @Test func streamsOverTheLimitAreRefused() throws {
    let log = LineLog()
    let server = try server(log) { $0.streams = 2 }
    let first = try LineReader(server.client())
    let second = try LineReader(server.client())
    let third = try server.client()
    let refusal = try third.exchange(get("/stream"))
    #expect(refusal.status == 503)
    #expect(refusal.code == "too_many_connections")
    #expect(log.closedCount == 1)
    #expect(try third.exchange(get("/x")).status == 200)
    withExtendedLifetime((first, second)) {}
  }
}
