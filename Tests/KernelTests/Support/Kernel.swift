// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import HTTPCore
import MockDriver
import SMMUDriver
import Testing

/// A host with one physical IOMMU and one open iommufd, reached in process. Its rules are Linux's
/// where the two policies differ, unless the test says otherwise.
struct Kernel {
  static let host = "k"
  let driver: Driver
  let plane: ControlPlane

  init(_ driver: Driver = .mock, policy: String = "linux") throws {
    self.driver = driver
    plane = try ControlPlane(
      .init(
        models: [SMMUv3Model(), MockModel()],
        clock: { Timestamp(microseconds: 1_700_000_000_000_000) }))
    let settings =
      #"{"id":"\#(Kernel.host)","pin_policy":"\#(policy)","#
      + #""smmus":[{"id":"iommu","driver":"\#(driver.rawValue)"}]}"#
    try #require(Reply(try send(.post, "/v1/hosts", settings)).status == 201)
  }

  private func send(
    _ method: HTTPCore.Method, _ path: String, _ body: String
  ) throws -> Response {
    var headers = Headers()
    if !body.isEmpty { headers.add(.contentType, MediaType.json) }
    let head = RequestHead(
      method: method, target: try Target(Array(path.utf8)), headers: headers,
      contentLength: UInt64(body.utf8.count), hasBody: !body.isEmpty)
    return plane.respond(to: Request(head: head, body: Array(body.utf8)))
  }

  /// Sends a request about something on the host, by its path below the host's; without one,
  /// about the host.
  @discardableResult
  func call(_ method: HTTPCore.Method, _ path: String, _ members: String? = nil) throws -> Reply {
    let target = path.isEmpty ? "" : "/" + path
    return Reply(
      try send(method, "/v1/hosts/\(Kernel.host)\(target)", members.map { "{\($0)}" } ?? ""))
  }

  func get(_ path: String) throws -> Reply { try call(.get, path) }
  @discardableResult
  func post(_ path: String, _ members: String? = nil) throws -> Reply {
    try call(.post, path, members)
  }
  @discardableResult
  func put(_ path: String, _ members: String = "") throws -> Reply {
    try call(.put, path, members)
  }
  @discardableResult
  func delete(_ path: String) throws -> Reply { try call(.delete, path) }

  /// A digest of all that clients can see of the host.
  var digest: String? { plane.digest(ofHost: Kernel.host) }
}

/// What came back.
struct Reply {
  let status: Int
  let json: JSONValue?

  init(_ response: Response) {
    status = response.status
    if case .bytes(let bytes) = response.body {
      json = try? JSONParser.parse(bytes).root
    } else {
      json = nil
    }
  }

  subscript(name: String) -> JSONValue? { json?.member(name) }

  /// Why it was refused; nil for what was carried out.
  var errno: String? { status < 400 ? nil : self["errno"]?.string ?? "status \(status)" }
}

extension JSONValue {
  subscript(name: String) -> JSONValue? { member(name) }

  var number: Int? { quantity.map { Int(truncatingIfNeeded: $0) } }
  /// The numbers that an array has.
  var numbers: [UInt64] { elements.compactMap(\.quantity) }
}
