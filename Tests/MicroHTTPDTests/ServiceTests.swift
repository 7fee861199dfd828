// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Glibc
import HTTPCore
import Logging
import MicroHTTPD
import RawHTTPClient
import Testing

/// What a service manager gives the server, and what it is told.
@Suite struct ServiceTests {
  // MARK: Inherited sockets

  @Test func anInheritedSocketIsServedBesideTheServersOwn() throws {
    let outside = try ListeningDescriptor.tcp()
    let inherited = try InheritedSocket(descriptor: outside.handOver())
    #expect(inherited.address == .tcp(host: "127.0.0.1", port: outside.port))
    var configuration = HTTPServer.Configuration(listeners: [.tcp(host: "127.0.0.1", port: 0)])
    configuration.inherited = [inherited]
    let server = try started(configuration)
    defer { server.stop(gracePeriod: .zero) }
    #expect(server.boundAddresses.count == 2)
    #expect(server.boundAddresses[1] == inherited.address)
    for case .tcp(_, let port) in server.boundAddresses {
      #expect(try RawClient(port: port).exchange(get("/")).status == 200)
    }
  }

  @Test func aStopLeavesThePathOfAnInheritedUnixSocket() throws {
    let path = "/tmp/mhd-inherited-\(getpid())"
    let outside = try ListeningDescriptor.unix(path)
    defer { unlink(path) }
    var configuration = HTTPServer.Configuration(listeners: [])
    configuration.inherited = [try InheritedSocket(descriptor: outside.handOver())]
    let server = try started(configuration)
    #expect(server.boundAddresses == [.unix(path: path)])
    #expect(try RawClient(path: path).exchange(get("/")).status == 200)
    server.stop(gracePeriod: .zero)
    // Whoever has opened it still listens: a client waits for the next server.
    #expect(access(path, F_OK) == 0)
    let waiting = try RawClient(path: path)
    waiting.send(get("/next"))
    configuration.inherited = [try InheritedSocket(descriptor: outside.handOver())]
    let next = try started(configuration)
    defer { next.stop(gracePeriod: .zero) }
    #expect(try waiting.readResponse().text == "GET /next\n")
  }

  @Test func anInheritedSocketNeitherBlocksNorIsInheritedFurther() throws {
    let outside = try ListeningDescriptor.tcp()
    let inherited = try InheritedSocket(descriptor: outside.handOver())
    defer { close(inherited.descriptor) }
    #expect(fcntl(inherited.descriptor, F_GETFL) & O_NONBLOCK != 0)
    #expect(fcntl(inherited.descriptor, F_GETFD) & FD_CLOEXEC != 0)
  }

  @Test func whatDoesNotListenIsNotInherited() throws {
    let files = [
      open("/dev/null", O_RDONLY), socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0),
      socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0),
    ]
    defer { for file in files { close(file) } }
    for file in files + [-1] {
      #expect(throws: ServerError.notAListener(descriptor: file)) {
        try InheritedSocket(descriptor: file)
      }
    }
  }

  @Test(arguments: [
    [:], ["LISTEN_FDS": "1"], ["LISTEN_PID": "7"], ["LISTEN_FDS": "1", "LISTEN_PID": "8"],
    ["LISTEN_FDS": "0", "LISTEN_PID": "7"], ["LISTEN_FDS": "x", "LISTEN_PID": "8"],
  ])
  func socketsThatAreMeantForNobodyOrAnotherAreLeftAlone(
    _ environment: [String: String]
  ) throws {
    #expect(try InheritedSocket.all(in: environment, process: 7).isEmpty)
  }

  @Test(arguments: ["", "x", "-1", "1.5", "99999999999", "2000000"])
  func aCountOfSocketsThatIsNoneIsRefused(_ count: String) {
    #expect(throws: ServerError.invalidVariable(name: "LISTEN_FDS", value: count)) {
      try InheritedSocket.all(in: ["LISTEN_FDS": count, "LISTEN_PID": "7"], process: 7)
    }
  }

  // MARK: Messages

  @Test(arguments: [false, true])
  func theManagerIsToldOverAPathAndOverAnAbstractSocket(_ isAbstract: Bool) throws {
    let inbox = try NotificationInbox(isAbstract: isAbstract)
    let manager = try #require(
      try ServiceManager(environment: ["NOTIFY_SOCKET": inbox.name]))
    #expect(manager.watchdogInterval == nil)
    try manager.tell(.ready(status: "listening\non 1"))
    #expect(inbox.next() == "READY=1\nSTATUS=listening on 1")
    try manager.tell(.stopping)
    #expect(inbox.next() == "STOPPING=1\nSTATUS=stopping")
  }

  @Test func withoutAManagerThereIsNone() throws {
    #expect(try ServiceManager(environment: ["WATCHDOG_USEC": "1"]) == nil)
  }

  @Test(arguments: ["", "relative", "@", "vsock:2:1", "/" + String(repeating: "a", count: 120)])
  func aManagerThatCannotBeReachedIsRefused(_ name: String) {
    #expect(throws: ServerError.invalidVariable(name: "NOTIFY_SOCKET", value: name)) {
      try ServiceManager(environment: ["NOTIFY_SOCKET": name])
    }
  }

  @Test func aManagerThatHasGoneIsAnError() throws {
    let name = try NotificationInbox(isAbstract: true).name
    let manager = try #require(try ServiceManager(environment: ["NOTIFY_SOCKET": name]))
    #expect(throws: ServerError.system(call: "sendto", errno: ECONNREFUSED)) {
      try manager.tell(.stopping)
    }
  }

  @Test(
    arguments: [
      ("3000000", nil, 3), ("3000000", "7", 3), ("3000000", "8", nil), ("0", nil, nil),
      ("x", nil, nil), (nil, "7", nil),
    ] as [(String?, String?, Int?)])
  func theWatchdogIsForTheProcessThatIsNamed(
    _ time: String?, _ owner: String?, _ seconds: Int?
  ) throws {
    var environment = ["NOTIFY_SOCKET": "@nobody"]
    environment["WATCHDOG_USEC"] = time
    environment["WATCHDOG_PID"] = owner
    let manager = try #require(try ServiceManager(environment: environment, process: 7))
    #expect(manager.watchdogInterval == seconds.map { .seconds($0) })
  }

  // MARK: The watchdog

  @Test func aServerThatIsIdleIsAlive() throws {
    let inbox = try NotificationInbox(isAbstract: true)
    let manager = try #require(
      try ServiceManager(environment: ["NOTIFY_SOCKET": inbox.name, "WATCHDOG_USEC": "2000"]))
    let server = try TestServer(threads: 4)
    try Watchdog.start(on: server.server, for: manager)
    for _ in 0..<5 { #expect(inbox.next() == "WATCHDOG=1") }
  }

  /// One of four loops hangs: then the server as a whole is not alive.
  @Test func aLoopThatHangsKeepsTheMessageBack() throws {
    let isHeld = DispatchSemaphore(value: 0)
    let mayGoOn = DispatchSemaphore(value: 0)
    let server = try TestServer(
      TestHandler { request in
        isHeld.signal()
        mayGoOn.wait()
        return TestHandler.echo(request)
      }, threads: 4)
    let client = try server.client()
    client.send(get("/"))
    isHeld.wait()
    let asker = Asker()
    asker.ask(server.server)
    asker.allowAnswer()
    mayGoOn.signal()
    #expect(try client.readResponse().status == 200)
    #expect(asker.wait())
  }

  @Test func aServerThatHasStoppedIsNotAlive() throws {
    let server = try TestServer(threads: 2)
    #expect(server.server.awaitTurns())
    server.server.stop(gracePeriod: .zero)
    #expect(!server.server.awaitTurns())
  }

  private func started(_ configuration: HTTPServer.Configuration) throws -> HTTPServer {
    let server = HTTPServer(
      configuration: configuration, handler: TestHandler(),
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    try server.start()
    return server
  }
}
