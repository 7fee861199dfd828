// SPDX-License-Identifier: Apache-2.0
import Dispatch
import HTTPCore
import Locking
import RawHTTPClient
import Testing

@Suite struct StopTests {
  /// Stops a server on a thread of its own.
  private func stopInBackground(_ server: TestServer, grace: Duration) -> DispatchSemaphore {
    let done = DispatchSemaphore(value: 0)
    DispatchQueue.global().async {
      server.server.stop(gracePeriod: grace)
      done.signal()
    }
    return done
  }

  @Test func portIsClosedAfterwards() throws {
    let server = try TestServer()
    let port = server.port
    let idle = try server.client()
    #expect(try idle.exchange(get("/")).status == 200)
    server.server.stop(gracePeriod: .seconds(10))
    #expect(try idle.isAtEnd())
    #expect(throws: RawClient.Failure.self) { try RawClient(port: port) }
    #expect(server.server.counters[.connectionsOpen] == 0)
  }

  @Test func stoppingTwiceIsStoppingOnce() throws {
    let server = try TestServer()
    server.server.stop(gracePeriod: .seconds(1))
    server.server.stop(gracePeriod: .seconds(1))
  }

  @Test func streamsSayGoodbye() throws {
    let log = LineLog()
    let server = try TestServer(TestHandler { _ in log.response() })
    let clients = try (0..<20).map { _ in try server.client() }
    log.append("1")
    for client in clients {
      client.send(get("/"))
      #expect(try client.readHead().status == 200)
      #expect(try client.readChunk() == Array("1\n".utf8))
    }
    server.server.stop(gracePeriod: .seconds(10))
    for client in clients {
      #expect(try client.readChunk() == Array("bye drain\n".utf8))
      #expect(try client.readChunk() == nil)
      #expect(try client.isAtEnd())
    }
    #expect(log.closedCount == clients.count)
  }

  @Test func requestsInFlightComplete() throws {
    let deferred = DeferredResponse()
    let asked = DispatchSemaphore(value: 0)
    let server = try TestServer(
      TestHandler { request in
        guard request.path == "/later" else { return TestHandler.echo(request) }
        asked.signal()
        return Response(status: 200, body: .deferred(deferred))
      })
    let waiting = try server.client()
    waiting.send(get("/later"))
    asked.wait()
    let uploading = try server.client()
    uploading.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    // A full exchange behind it shows that the upload's head was read.
    #expect(try server.client().exchange(get("/now")).status == 200)
    let done = stopInBackground(server, grace: .seconds(20))
    // Requests that come during the drain are answered, and their connections closed.
    var late = try server.client().exchange(get("/late"))
    while !late.closesConnection { late = try server.client().exchange(get("/late")) }
    #expect(late.status == 200)
    uploading.send("def")
    let uploaded = try uploading.readResponse()
    #expect(uploaded.text == "POST /up\nabcdef")
    #expect(uploaded.closesConnection)
    deferred.fulfil(Response(status: 200, json: Array("done".utf8)))
    #expect(try waiting.readResponse().text == "done")
    #expect(done.wait(timeout: .now() + 10) == .success)
  }

  @Test func graceHasAnEnd() throws {
    let never = DeferredResponse()
    let log = LineLog()
    let asked = DispatchSemaphore(value: 0)
    let server = try TestServer(
      TestHandler { request in
        asked.signal()
        return request.path == "/stream"
          ? log.response() : Response(status: 200, body: .deferred(never))
      })
    let waiting = try server.client()
    waiting.send(get("/later"))
    asked.wait()
    // A reader that does not read does not take the goodbye either.
    let stalled = try server.client()
    stalled.limitReceiveBuffer(to: 4096)
    stalled.send(get("/stream"))
    asked.wait()
    let line = String(repeating: "z", count: 100_000)
    for _ in 0..<100 { log.append(line) }
    let start = ContinuousClock.now
    server.server.stop(gracePeriod: .milliseconds(300))
    #expect(ContinuousClock.now - start < .seconds(5))
    #expect(try waiting.readToEnd().isEmpty)
    #expect(log.closedCount == 1)
    // Too late, and nobody minds.
    never.fulfil(Response(status: 200))
    #expect(server.server.counters[.connectionsOpen] == 0)
  }

  @Test func streamThatStartsDuringTheDrainEndsAtOnce() throws {
    let deferred = DeferredResponse()
    let asked = DispatchSemaphore(value: 0)
    let log = LineLog()
    let server = try TestServer(
      TestHandler { request in
        if request.path == "/stream" { return log.response() }
        if request.path == "/now" { return TestHandler.echo(request) }
        asked.signal()
        return Response(status: 200, body: .deferred(deferred))
      })
    let waiting = try server.client()
    waiting.send(get("/later"))
    asked.wait()
    let done = stopInBackground(server, grace: .seconds(20))
    while try !server.client().exchange(get("/now")).closesConnection {}
    #expect(try server.client().exchange(get("/stream")).text == "bye drain\n")
    deferred.fulfil(Response(status: 200))
    #expect(try waiting.readResponse().status == 200)
    #expect(done.wait(timeout: .now() + 10) == .success)
  }
}
