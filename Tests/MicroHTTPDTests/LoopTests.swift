// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc
import HTTPCore
import MicroHTTPD
import RawHTTPClient
import Testing

/// What is true of a server with several loops, beside all that is true of one with one.
@Suite struct LoopTests {
  @Test func connectionsGoToTheLoopWithTheFewest() throws {
    let server = try TestServer(threads: 4)
    var clients: [RawClient] = []
    for _ in 0..<12 {
      let client = try server.client()
      #expect(try client.exchange(get("/")).status == 200)
      clients.append(client)
    }
    #expect(server.server.connectionsByLoop == [3, 3, 3, 3])
    // Three of four go from one loop: the next three come there.
    let first = clients[0]
    clients = []
    _ = first
    while server.server.connectionsByLoop != [1, 0, 0, 0] { sched_yield() }
    for _ in 0..<3 {
      let client = try server.client()
      #expect(try client.exchange(get("/")).status == 200)
      clients.append(client)
    }
    #expect(server.server.connectionsByLoop == [1, 1, 1, 1])
  }

  @Test func unixAndTCPListenersShareTheLoops() throws {
    let path = "/tmp/mhd-loops-\(getpid())"
    let server = try TestServer(
      listeners: [.tcp(host: "127.0.0.1", port: 0), .unix(path: path)], threads: 2)
    let clients = try [
      server.client(), RawClient(path: path), RawClient(path: path), server.client(),
    ]
    for client in clients { #expect(try client.exchange(get("/")).status == 200) }
    #expect(server.server.connectionsByLoop == [2, 2])
    #expect(server.handler.seen.filter(\.head.isFromUnixSocket).count == 2)
  }

  @Test func theLimitOfConnectionsCountsForAllLoopsTogether() throws {
    let limit = 6
    let server = try TestServer(threads: 4) { $0.connections = limit }
    var clients: [RawClient] = []
    for _ in 0..<limit {
      let client = try server.client()
      #expect(try client.exchange(get("/")).status == 200)
      clients.append(client)
    }
    // One more is not served, until any of the others has gone.
    let late = try server.client()
    late.send(get("/late"))
    while server.server.counters[.acceptPauses] == 0 { sched_yield() }
    #expect(server.server.counters[.connectionsAccepted] == UInt64(limit))
    clients.removeLast()
    #expect(try late.readResponse().text == "GET /late\n")
    #expect(server.server.counters[.connectionsAccepted] == UInt64(limit) + 1)
  }

  @Test func theLimitOfStreamsCountsForAllLoopsTogether() throws {
    let log = LineLog()
    let server = try TestServer(TestHandler { _ in log.response() }, threads: 4) { $0.streams = 3 }
    log.append("1")
    var clients: [RawClient] = []
    for _ in 0..<3 {
      let client = try server.client()
      client.send(get("/"))
      #expect(try client.readHead().status == 200)
      clients.append(client)
    }
    let late = try server.client()
    #expect(try late.exchange(get("/")).status == 503)
    clients.removeLast()
    while server.server.counters[.streamsOpen] == 3 { sched_yield() }
    late.send(get("/"))
    #expect(try late.readHead().status == 200)
  }

  @Test func oneLoopThatIsHeldUpDelaysNoOther() throws {
    let held = DispatchSemaphore(value: 0)
    let isHeld = DispatchSemaphore(value: 0)
    let server = try TestServer(
      TestHandler { request in
        if request.path == "/hold" {
          isHeld.signal()
          held.wait()
        }
        return TestHandler.echo(request)
      }, threads: 2)
    let slow = try server.client()
    slow.send(get("/hold"))
    isHeld.wait()
    let quick = try server.client()
    #expect(try quick.exchange(get("/quick")).text == "GET /quick\n")
    held.signal()
    #expect(try slow.readResponse().text == "GET /hold\n")
  }

  /// One loop has a request from before the stop; until it is answered the others answer too.
  @Test func aStopWaitsForAllLoopsBeforeItStopsAccepting() throws {
    let deferred = DeferredResponse()
    let asked = DispatchSemaphore(value: 0)
    let server = try TestServer(
      TestHandler { request in
        guard request.path == "/later" else { return TestHandler.echo(request) }
        asked.signal()
        return Response(status: 200, body: .deferred(deferred))
      }, threads: 3)
    let waiting = try server.client()
    waiting.send(get("/later"))
    asked.wait()
    let idle = try server.client()
    #expect(try idle.exchange(get("/")).status == 200)
    let done = DispatchSemaphore(value: 0)
    DispatchQueue.global().async {
      server.server.stop(gracePeriod: .seconds(60))
      done.signal()
    }
    // The stop has begun once a connection is closed after its answer.
    while try !server.client().exchange(get("/new")).closesConnection {}
    deferred.fulfil(Response(status: 200, json: Array("late".utf8)))
    #expect(try waiting.readResponse().text == "late")
    done.wait()
    #expect(try idle.isAtEnd())
    #expect(server.server.counters[.connectionsOpen] == 0)
  }
}
