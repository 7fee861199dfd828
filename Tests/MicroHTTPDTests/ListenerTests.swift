// SPDX-License-Identifier: Apache-2.0
import Glibc
import HTTPCore
import Logging
import MicroHTTPD
import RawHTTPClient
import Testing

@Suite struct ListenerTests {
  /// A path of its own for each test, short enough for a socket.
  private func freshPath() -> String {
    "/tmp/mhd-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
  }

  private func server(on address: ListenAddress) -> HTTPServer {
    HTTPServer(
      configuration: .init(listeners: [address]), handler: TestHandler(),
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
  }

  @Test func allListenersAnswer() throws {
    let path = freshPath()
    let server = try TestServer(listeners: [
      .tcp(host: "127.0.0.1", port: 0), .tcp(host: "::1", port: 0), .unix(path: path),
    ])
    let addresses = server.server.boundAddresses
    #expect(addresses.count == 3)
    guard case .tcp(_, let port6) = addresses[1] else { return }
    #expect(port6 != 0)
    #expect(try RawClient(port: server.port).exchange(get("/4")).text == "GET /4\n")
    #expect(try RawClient(port6: port6).exchange(get("/6")).text == "GET /6\n")
    #expect(try RawClient(path: path).exchange(get("/u")).text == "GET /u\n")
    server.server.stop(gracePeriod: .zero)
    #expect(access(path, F_OK) != 0)
  }

  @Test(arguments: [nil, 0o600, 0o660, 0o777] as [UInt32?])
  func theFileOfAUnixSocketHasTheModeThatWasAskedFor(_ mode: UInt32?) throws {
    let path = freshPath()
    var configuration = HTTPServer.Configuration(listeners: [.unix(path: path)])
    if let mode { configuration.unixMode = mode }
    let server = HTTPServer(
      configuration: configuration, handler: TestHandler(),
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    try server.start()
    defer { server.stop(gracePeriod: .zero) }
    var status = stat()
    #expect(stat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == mode ?? 0o600)
  }

  @Test func staleSocketIsReplaced() throws {
    let path = freshPath()
    let first = server(on: .unix(path: path))
    try first.start()
    // A second name keeps the socket's file when the server removes the first: as after a crash,
    // a socket is there that nobody answers on.
    #expect(link(path, path + "-kept") == 0)
    first.stop(gracePeriod: .zero)
    #expect(rename(path + "-kept", path) == 0)
    let second = server(on: .unix(path: path))
    try second.start()
    #expect(try RawClient(path: path).exchange(get("/")).status == 200)
    second.stop(gracePeriod: .zero)
  }

  @Test func liveSocketIsLeftAlone() throws {
    let path = freshPath()
    let first = server(on: .unix(path: path))
    try first.start()
    #expect(throws: ServerError.addressInUse(.unix(path: path))) {
      try server(on: .unix(path: path)).start()
    }
    #expect(try RawClient(path: path).exchange(get("/")).status == 200)
    first.stop(gracePeriod: .zero)
  }

  @Test func fileThatIsNoSocketIsLeftAlone() throws {
    let path = freshPath()
    let descriptor = creat(path, 0o600)
    close(descriptor)
    defer { unlink(path) }
    #expect(throws: ServerError.notASocket(path: path)) {
      try server(on: .unix(path: path)).start()
    }
    #expect(access(path, F_OK) == 0)
  }

  @Test func anotherServersSocketIsNotUnlinked() throws {
    let path = freshPath()
    let first = server(on: .unix(path: path))
    try first.start()
    #expect(rename(path, path + "-moved") == 0)
    let second = server(on: .unix(path: path))
    try second.start()
    first.stop(gracePeriod: .zero)
    #expect(try RawClient(path: path).exchange(get("/")).status == 200)
    second.stop(gracePeriod: .zero)
    unlink(path + "-moved")
  }

  @Test func takenPortIsReported() throws {
    let first = try TestServer()
    let address = ListenAddress.tcp(host: "127.0.0.1", port: first.port)
    #expect(throws: ServerError.addressInUse(address)) { try server(on: address).start() }
  }

  @Test func oneBadListenerLeavesNothingOpen() throws {
    let path = freshPath()
    let server = HTTPServer(
      configuration: .init(listeners: [.unix(path: path), .tcp(host: "nowhere", port: 0)]),
      handler: TestHandler(), logger: Logger(label: "test"))
    #expect(throws: ServerError.invalidAddress("nowhere")) { try server.start() }
    #expect(access(path, F_OK) != 0)
    #expect(server.boundAddresses.isEmpty)
    server.stop(gracePeriod: .seconds(1))
  }

  @Test(arguments: [
    ("127.0.0.1:80", ListenAddress.tcp(host: "127.0.0.1", port: 80)),
    ("[::1]:0", .tcp(host: "::1", port: 0)),
    ("localhost:8080", .tcp(host: "127.0.0.1", port: 8080)),
    ("unix:/run/x", .unix(path: "/run/x")),
  ])
  func addressesAreRead(_ text: String, _ address: ListenAddress) throws {
    #expect(try ListenAddress(parsing: text) == address)
  }

  @Test(arguments: ["", "80", ":80", "::1:80", "a:b", "127.0.0.1:65536", "unix:"])
  func badAddressesAreRefused(_ text: String) {
    #expect(throws: ServerError.self) { try ListenAddress(parsing: text) }
  }

  @Test func longPathIsRefused() {
    let path = "/tmp/" + String(repeating: "a", count: 120)
    #expect(throws: ServerError.invalidPath(path)) { try server(on: .unix(path: path)).start() }
  }
}
