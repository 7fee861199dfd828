// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import HTTPCore
import Locking
import Logging
import MicroHTTPD
import MockDriver
import RawHTTPClient
import SMMUDriver
import TestSupport

/// How a test reaches the API. The same claims hold both ways.
enum Transport: String, CaseIterable, Sendable, CustomStringConvertible {
  case inProcess = "in process"
  case overSocket = "over a socket"

  var description: String { rawValue }
}

/// What came back.
struct Answer {
  var status: Int
  var headers: [(name: String, value: String)]
  var body: [UInt8]

  subscript(name: String) -> String? {
    headers.first { $0.name.lowercased() == name.lowercased() }?.value
  }

  var text: String { String(decoding: body, as: UTF8.self) }

  /// The body as JSON; null when it is none.
  var json: JSON { JSON(body) }

  /// The body's lines as JSON.
  var lines: [JSON] { body.split(separator: UInt8(ascii: "\n")).map { JSON(Array($0)) } }
}

/// A fresh world: a control plane of its own, reached as the transport says.
final class API {
  /// Threads of a pool stay, so that all servers share one.
  private static let workers = WorkerPool(limit: 4)

  let plane: ControlPlane
  private var server: HTTPServer?
  private var port: UInt16 = 0

  init(_ transport: Transport, adjust: (inout ControlPlane.Configuration) -> Void = { _ in }) throws
  {
    var configuration = ControlPlane.Configuration(
      models: [SMMUv3Model(), MockModel(), VTDModel()],
      clock: { Timestamp(microseconds: 1_700_000_000_000_000) })
    if transport == .overSocket { configuration.workers = API.workers }
    adjust(&configuration)
    plane = try ControlPlane(configuration)
    guard transport == .overSocket else { return }
    let server = HTTPServer(
      configuration: .init(
        listeners: [.tcp(host: "127.0.0.1", port: 0)], limits: configuration.limits),
      handler: plane, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    try server.start()
    if case .tcp(_, let port) = server.boundAddresses[0] { self.port = port }
    self.server = server
  }

  deinit { server?.stop(gracePeriod: .zero) }

  // MARK: Requests

  @discardableResult
  func send(
    _ method: String, _ path: String, _ body: String? = nil, headers: [String: String] = [:]
  ) throws -> Answer {
    server == nil
      ? try sendInProcess(method, path, body, headers)
      : try sendOverSocket(method, path, body, headers)
  }

  func get(_ path: String, headers: [String: String] = [:]) throws -> Answer {
    try send("GET", path, headers: headers)
  }

  @discardableResult
  func post(_ path: String, _ body: String? = nil, headers: [String: String] = [:]) throws -> Answer
  {
    try send("POST", path, body, headers: headers)
  }

  @discardableResult
  func put(_ path: String, _ body: String, headers: [String: String] = [:]) throws -> Answer {
    try send("PUT", path, body, headers: headers)
  }

  @discardableResult
  func delete(_ path: String, headers: [String: String] = [:]) throws -> Answer {
    try send("DELETE", path, headers: headers)
  }

  private func sendInProcess(
    _ method: String, _ path: String, _ body: String?, _ headers: [String: String]
  ) throws -> Answer {
    var kept = Headers()
    if body != nil, headers["Content-Type"] == nil { kept.add(.contentType, "application/json") }
    for (name, value) in headers {
      if let name = Headers.Name(rawValue: name.lowercased()) { kept.add(name, value) }
    }
    let bytes = Array((body ?? "").utf8)
    let head = RequestHead(
      method: HTTPCore.Method(rawValue: method) ?? .trace, target: try Target(Array(path.utf8)),
      headers: kept, contentLength: UInt64(bytes.count), hasBody: body != nil)
    let response = plane.respond(to: Request(head: head, body: bytes))
    return Answer(
      status: response.status, headers: response.headers.map { ($0.name.rawValue, $0.value) },
      body: API.drain(response))
  }

  /// All that a response says by itself; a followed stream until it has caught up.
  private static func drain(_ response: Response) -> [UInt8] {
    switch response.body {
    case .bytes(let bytes): return bytes
    case .deferred: return []
    case .stream(let source):
      var bytes: [UInt8] = []
      while case .ready = source.produce(into: &bytes, limit: 1 << 16, now: 0) {}
      source.closed()
      return bytes
    }
  }

  private func sendOverSocket(
    _ method: String, _ path: String, _ body: String?, _ headers: [String: String]
  ) throws -> Answer {
    let client = try RawClient(port: port)
    client.send(API.request(method, path, body, headers))
    let response = try client.readResponse(isToHead: method == "HEAD")
    return Answer(
      status: response.status, headers: response.fields.map { ($0.name, $0.value) },
      body: response.body)
  }

  private static func request(
    _ method: String, _ path: String, _ body: String?, _ headers: [String: String]
  ) -> String {
    var text = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
    var headers = headers
    if let body {
      headers["Content-Type"] = headers["Content-Type"] ?? "application/json"
      headers["Content-Length"] = "\(body.utf8.count)"
    }
    for (name, value) in headers.sorted(by: { $0.key < $1.key }) { text += "\(name): \(value)\r\n" }
    return text + "\r\n" + (body ?? "")
  }

  // MARK: Streams

  /// Opens a stream, which only a socket can.
  func stream(_ path: String, headers: [String: String] = [:]) throws -> LineStream {
    let client = try RawClient(port: port)
    client.send(API.request("GET", path, nil, headers))
    return try LineStream(client)
  }
}

/// The lines of a chunked response, as they come.
final class LineStream {
  let client: RawClient
  let head: RawResponse
  private var pending: [UInt8] = []

  init(_ client: RawClient) throws {
    self.client = client
    head = try client.readHead()
  }

  /// The next line; nil at the end.
  func next() throws -> JSON? {
    while true {
      if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
        let line = Array(pending[..<end])
        pending.removeSubrange(...end)
        return JSON(line)
      }
      guard let chunk = try client.readChunk() else { return nil }
      pending += chunk
    }
  }

  /// The next line of a type, past all others.
  func next(_ type: String) throws -> JSON? {
    while let line = try next() {
      if line["type"].string == type { return line }
    }
    return nil
  }
}
