// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import MockDriver
import SMMUDriver

@testable import ControlPlane

/// A request as a test spells it.
struct TestRequest: Equatable, CustomStringConvertible {
  var method: HTTPCore.Method
  var path: String
  var body = ""
  var headers: [Headers.Name: String] = [:]

  var description: String {
    let fields = headers.map { "\($0.rawValue): \($1)" }.sorted().joined(separator: "; ")
    return "\(method.rawValue) \(path) \(body) \(fields)"
  }

  /// What the body is: the one field that the request's meaning depends on.
  var contentType: [Headers.Name: String] { headers.filter { $0.key == .contentType } }

  var request: Request {
    get throws {
      var fields = Headers()
      for (name, value) in headers { fields.add(name, value) }
      if !body.isEmpty, headers[.contentType] == nil {
        // Memory is written as it is; every other body is JSON.
        fields.add(.contentType, path.contains("/memory") ? MediaType.octets : MediaType.json)
      }
      let target = try Target(Array(path.utf8))
      return Request(
        head: RequestHead(
          method: method, target: target, headers: fields,
          contentLength: UInt64(body.utf8.count), hasBody: !body.isEmpty),
        body: Array(body.utf8))
    }
  }
}

/// The parts of a response that tests look at.
struct TestAnswer {
  let status: Int
  let headers: [(name: Response.HeaderName, value: String)]
  let bytes: [UInt8]
  let stream: (any StreamSource)?

  init(_ response: Response) {
    status = response.status
    headers = response.headers
    switch response.body {
    case .bytes(let body): (bytes, stream) = (body, nil)
    case .stream(let source): (bytes, stream) = ([], source)
    case .deferred: (bytes, stream) = ([], nil)
    }
  }

  subscript(name: Response.HeaderName) -> String? { headers.first { $0.name == name }?.value }

  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// The value that a path of member names leads to.
  func json(_ path: String...) throws -> JSONValue? {
    var value: JSONValue? = try JSONParser.parse(bytes).root
    for name in path { value = value?.member(name) }
    return value
  }
}

/// A whole API in process, with a clock that stands still.
struct TestHost {
  let plane: ControlPlane

  init(_ change: (inout ControlPlane.Configuration) -> Void = { _ in }) throws {
    var configuration = ControlPlane.Configuration(
      models: [SMMUv3Model(), BareSMMUv3Model(), MockModel(), VTDModel()],
      clock: { Timestamp(microseconds: 1_700_000_000_000_000) })
    change(&configuration)
    plane = try ControlPlane(configuration)
  }

  /// The host `default`, unless another is named.
  func host(_ name: String = defaultHost) throws -> Host {
    guard let host = plane.hosts.host(name) else { throw Problem(.notFound, "no host \(name)") }
    return host
  }

  func send(_ request: TestRequest) throws -> TestAnswer {
    TestAnswer(plane.respond(to: try request.request))
  }

  @discardableResult
  func send(
    _ method: HTTPCore.Method, _ path: String, _ body: String = "",
    _ headers: [Headers.Name: String] = [:]
  ) throws -> TestAnswer {
    try send(TestRequest(method: method, path: path, body: body, headers: headers))
  }

  /// Every line of a host's log, as a reader without a filter gets them.
  func log(of host: Host) -> String {
    guard var cursor = host.log.cursor(after: nil, filter: EventFilter()).cursor else { return "" }
    var bytes: [UInt8] = []
    while host.log.read(&cursor, as: .ndjson, into: &bytes, limit: 1 << 20) == .more {}
    return String(decoding: bytes, as: UTF8.self)
  }
}
