// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import Glibc
import HTTPCore
import Locking
import Logging
import MicroHTTPD
import MockDriver
import RawHTTPClient
import SMMUDriver
import Synchronization
import TestSupport
import Testing

/// Meant for the thread sanitizer: loops, hosts, streams, stops and listeners at the same time.
@Suite("Four loops serve four hosts while servers come and go", .serialized)
struct ServingTests {
  private static let loops = 4
  private static let rounds = 6
  private static let requestsOfARound = 40

  private static func makePlane() throws -> ControlPlane {
    let moment = Timestamp(microseconds: 0)
    var configuration = ControlPlane.Configuration(
      models: [SMMUv3Model(), MockModel()], clock: { moment })
    configuration.sites.hosts = ["a"]
    configuration.workers = WorkerPool(limit: 2)
    return try ControlPlane(configuration)
  }

  private static func makeServer(of plane: ControlPlane) throws -> (HTTPServer, UInt16) {
    var configuration = HTTPServer.Configuration(listeners: [.tcp(host: "127.0.0.1", port: 0)])
    configuration.threads = loops
    let server = HTTPServer(
      configuration: configuration, handler: plane,
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    try server.start()
    guard case .tcp(_, let port) = server.boundAddresses[0] else { return (server, 0) }
    return (server, port)
  }

  private static func request(_ method: String, _ path: String, _ body: String = "") -> String {
    let type = body.isEmpty ? "" : "Content-Type: application/json\r\n"
    return
      "\(method) \(path) HTTP/1.1\r\nHost: a\r\n\(type)Content-Length: \(body.utf8.count)\r\n\r\n"
      + body
  }

  /// What a client asks of its host, again and again.
  private static func requests(of host: String, _ number: Int) -> [String] {
    let root = "/v1/hosts/\(host)"
    return [
      request("PUT", root + "/ioas/i\(number)", #"{}"#),
      request("GET", root + "/ioas/i\(number)"),
      request("GET", root + "/graph"),
      request("GET", "/metrics"),
      request("DELETE", root + "/ioas/i\(number)?allow_missing=true"),
      request("POST", root + "/reset"),
    ]
  }

  /// - Returns: how many answers there were; a stop may end them early.
  private static func ask(_ port: UInt16, host: String) -> Int {
    guard let client = try? RawClient(port: port) else { return 0 }
    var answered = 0
    for number in 0..<requestsOfARound {
      for request in requests(of: host, number) {
        guard let response = try? client.exchange(request) else { return answered }
        // The other client of the host may have reset it meanwhile.
        #expect((200..<300).contains(response.status) || response.status == 404)
        answered += 1
        if response.closesConnection { return answered }
      }
    }
    return answered
  }

  /// Follows a host's log until the server says goodbye.
  private static func follow(_ port: UInt16, host: String) -> Int {
    guard let client = try? RawClient(port: port) else { return 0 }
    client.send(request("GET", "/v1/hosts/\(host)/events?follow=true"))
    guard (try? client.readHead().status) == 200 else { return 0 }
    var bytes = 0
    while let chunk = try? client.readChunk() { bytes += chunk.count }
    return bytes
  }

  @Test func nothingIsLostBetweenThem() throws {
    let plane = try Self.makePlane()
    let hosts = (0..<4).map { "h\($0)" }
    let answers = Counter()
    let streamed = Counter()
    for round in 0..<Self.rounds {
      let (server, port) = try Self.makeServer(of: plane)
      for host in hosts {
        let client = try RawClient(port: port)
        let made = try client.exchange(Self.request("PUT", "/v1/hosts/\(host)", "{}"))
        #expect([200, 201].contains(made.status))
      }
      // Two clients and a follower for each host.
      let clients = startThreads(hosts.count * 3) { number in
        let host = hosts[number % hosts.count]
        if number < hosts.count {
          streamed.add(Self.follow(port, host: host))
        } else {
          answers.add(Self.ask(port, host: host))
        }
      }
      // Every other server is stopped under its clients.
      let all = Self.requestsOfARound * Self.requests(of: "", 0).count * hosts.count * 2
      while server.counters[.requests] < (round % 2 == 0 ? 200 : UInt64(all)) { sched_yield() }
      server.stop(gracePeriod: .seconds(20))
      clients.wait()
      #expect(server.counters[.connectionsOpen] == 0)
      #expect(server.counters[.streamsOpen] == 0)
      #expect(server.connectionsByLoop.allSatisfy { $0 == 0 })
    }
    #expect(answers.sum > 0)
    #expect(streamed.sum > 0)
  }
}

private final class Counter: Sendable {
  private let value = Atomic<Int>(0)

  func add(_ amount: Int) { value.add(amount, ordering: .relaxed) }

  var sum: Int { value.load(ordering: .relaxed) }
}
