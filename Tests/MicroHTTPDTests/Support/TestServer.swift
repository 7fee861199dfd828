// SPDX-License-Identifier: Apache-2.0
import Glibc
import HTTPCore
import Locking
import Logging
import MicroHTTPD
import RawHTTPClient

/// Whether the library refuses by itself much of what 0.9.75 leaves to us, in its own words.
let isLibraryStrict = !HTTPServer.libraryVersion.hasPrefix("0.")

/// A server for one test, on a free port; stopped when the test is over.
final class TestServer: Sendable {
  let server: HTTPServer
  let handler: TestHandler

  /// All tests are run with one loop and with four: `VIOMMU_TEST_LOOPS`.
  static let usualThreads = getenv("VIOMMU_TEST_LOOPS").flatMap { Int(String(cString: $0)) } ?? 4

  init(
    _ handler: TestHandler = TestHandler(), listeners: [ListenAddress]? = nil,
    threads: Int = TestServer.usualThreads, _ adjust: (inout Limits) -> Void = { _ in }
  ) throws {
    var limits = Limits()
    adjust(&limits)
    self.handler = handler
    var configuration = HTTPServer.Configuration(
      listeners: listeners ?? [.tcp(host: "127.0.0.1", port: 0)], limits: limits)
    configuration.threads = threads
    server = HTTPServer(
      configuration: configuration, handler: handler,
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    try server.start()
  }

  deinit { server.stop(gracePeriod: .zero) }

  var port: UInt16 {
    guard case .tcp(_, let port) = server.boundAddresses[0] else { return 0 }
    return port
  }

  func client() throws -> RawClient { try RawClient(port: port) }
}

/// Answers as a test wants it, and remembers what it was asked.
final class TestHandler: RequestHandler {
  private let requests = Locked<[Request]>([])
  private let refuse: @Sendable (RequestHead) -> Response?
  private let answer: @Sendable (Request) -> Response

  init(
    answer: @escaping @Sendable (Request) -> Response = TestHandler.echo,
    refuse: @escaping @Sendable (RequestHead) -> Response? = { _ in nil }
  ) {
    self.refuse = refuse
    self.answer = answer
  }

  var seen: [Request] { requests.withLock { $0 } }

  func refusal(of head: RequestHead) -> Response? { refuse(head) }

  func respond(to request: Request) -> Response {
    requests.withLock { $0.append(request) }
    return answer(request)
  }

  /// Says what was asked for.
  static func echo(_ request: Request) -> Response {
    let line = request.head.method.rawValue + " " + request.path + "\n"
    return Response(status: 200, json: Array(line.utf8) + request.body)
  }
}

extension Request {
  var path: String { String(decoding: head.target.rawPath, as: UTF8.self) }
}

/// `GET path`, whole.
func get(_ path: String, _ fields: String...) -> String {
  "GET \(path) HTTP/1.1\r\nHost: a\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
}

/// `POST path` with a body of declared length.
func post(_ path: String, _ body: String, _ fields: String...) -> String {
  "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n"
    + fields.map { $0 + "\r\n" }.joined() + "\r\n" + body
}
