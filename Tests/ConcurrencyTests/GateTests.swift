// SPDX-License-Identifier: Apache-2.0
import Glibc
import HTTPCore
import Locking
import Logging
import MicroHTTPD
import MockDriver
import RawHTTPClient
import TestSupport
import Testing

@testable import ControlPlane

@Suite("No loop waits for a host") struct GateTests {
  private static let workers = WorkerPool(limit: 2)

  /// A server with one loop, so that a loop that waits is seen by everybody.
  private struct World {
    let plane: ControlPlane
    let server: HTTPServer
    let port: UInt16

    init() throws {
      let moment = Timestamp(microseconds: 0)
      var configuration = ControlPlane.Configuration(models: [MockModel()], clock: { moment })
      configuration.sites.hosts = ["a"]
      configuration.workers = GateTests.workers
      plane = try ControlPlane(configuration)
      server = HTTPServer(
        configuration: .init(listeners: [.tcp(host: "127.0.0.1", port: 0)]), handler: plane,
        logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
      try server.start()
      guard case .tcp(_, let bound) = server.boundAddresses[0] else { fatalError("no port") }
      port = bound
      for host in ["busy", "free"] {
        #expect(try client().exchange(Self.put("/v1/hosts/\(host)")).status == 201)
      }
    }

    func client() throws -> RawClient { try RawClient(port: port) }

    static func put(_ path: String) -> String {
      "PUT \(path) HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        + "Content-Length: 2\r\n\r\n{}"
    }

    static func get(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n" }

    /// Runs `body` while a thread is at the host `busy`.
    func whileBusy(_ body: () throws -> Void) throws {
      let host = try #require(plane.hosts.host("busy"))
      let (isIn, mayLeave) = (Flag(), Flag())
      let thread = startThreads(1) { _ in
        _ = host.gate.attempt(GateTests.workers) {
          isIn.lower()
          while mayLeave.isUp { sched_yield() }
        }
      }
      while isIn.isUp { sched_yield() }
      defer {
        mayLeave.lower()
        thread.wait()
      }
      try body()
    }
  }

  @Test func othersAreServedWhileAHostIsBusy() throws {
    let world = try World()
    let waiting = try (0..<3).map { _ in try world.client() }
    try world.whileBusy {
      for (number, client) in waiting.enumerated() {
        client.send(World.put("/v1/hosts/busy/contexts/c\(number)"))
      }
      // Each of these would wait behind the others, were the one loop held up.
      let other = try world.client()
      for path in [
        "/livez", "/v1/hosts/free/contexts", "/metrics", "/v1/hosts", "/v1/hosts/busy",
      ] {
        #expect(try other.exchange(World.get(path)).status == 200)
      }
      #expect(try other.exchange(World.put("/v1/hosts/free/contexts/c")).status == 201)
      #expect(waiting.allSatisfy { !$0.waitReadable(milliseconds: 0) })
    }
    for client in waiting { #expect(try client.readResponse().status == 201) }
  }

  @Test func requestsOfAConnectionThatWaitAreAnsweredInOrder() throws {
    let world = try World()
    let client = try world.client()
    try world.whileBusy {
      client.send(
        (0..<20).map { World.put("/v1/hosts/busy/contexts/c\($0)") }.joined()
          + World.get("/v1/hosts/busy/contexts/c19") + World.get("/livez"))
    }
    for _ in 0..<20 { #expect(try client.readResponse().status == 201) }
    #expect(try client.readResponse().text.contains("c19"))
    #expect(try client.readResponse().text.contains("ok"))
  }

  @Test func aReaderThatLeavesABusyHostIsForgottenLater() throws {
    let world = try World()
    let queue = "/v1/hosts/busy/fault-queues/q"
    #expect(try world.client().exchange(World.put(queue)).status == 201)
    let reader = try world.client()
    reader.send(World.get(queue + "/faults?follow=true"))
    #expect(try reader.readHead().status == 200)
    try world.whileBusy { () throws in
      reader.reset()
      while world.server.counters[.streamsOpen] != 0 { sched_yield() }
      #expect(try world.client().exchange(World.get("/livez")).status == 200)
    }
    // Its open file pins the queue no longer.
    let remover = try world.client()
    let delete = "DELETE \(queue) HTTP/1.1\r\nHost: a\r\n\r\n"
    while try remover.exchange(delete).status == 409 {}
    #expect(try world.client().exchange(World.get(queue)).status == 404)
  }

  @Test func theGateKeepsTheOrderAndCarriesOutOneAtATime() {
    let gate = HostGate()
    let order = Locked<[Int]>([])
    let inside = Locked(0)
    let count = 200
    let left = Locked(count)
    for number in 0..<count {
      gate.leave(
        {
          inside.withLock { $0 += 1 }
          #expect(inside.withLock { $0 } == 1)
          order.withLock { $0.append(number) }
          inside.withLock { $0 -= 1 }
          left.withLock { $0 -= 1 }
        }, GateTests.workers)
    }
    while left.withLock({ $0 }) > 0 { sched_yield() }
    #expect(order.withLock { $0 } == Array(0..<count))
  }
}
