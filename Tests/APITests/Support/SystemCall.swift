// SPDX-License-Identifier: Apache-2.0
import Testing

/// A request of any kind, and the errno of its refusal; nil when it is carried out.
struct Attempt: Sendable, CustomStringConvertible {
  let claim: String
  let method: String
  let path: String
  let body: String?
  let errno: String?

  init(
    _ claim: String, _ method: String, _ path: String, _ body: String?, _ errno: String?
  ) {
    self.claim = claim
    self.method = method
    self.path = path
    self.body = body
    self.errno = errno
  }

  init(_ claim: String, _ method: String, _ path: String, _ errno: String?) {
    self.init(claim, method, path, nil, errno)
  }

  var description: String { claim }
}

/// A system call on the context `default`.
struct Ioctl {
  var number: UInt32
  var argument: String?
  /// What pointers lead to.
  var memory: [(address: UInt64, bytes: String)] = []
  var id: String?

  init(
    _ number: UInt32, _ argument: String?, memory: [(address: UInt64, bytes: String)] = [],
    id: String? = nil
  ) {
    self.number = number
    self.argument = argument
    self.memory = memory
    self.id = id
  }

  var body: String {
    var members = [#""number":\#(number)"#]
    if let argument { members.append(#""argument":"\#(argument)""#) }
    let segments = memory.map { #"{"address":\#($0.address),"bytes":"\#($0.bytes)"}"# }
    if !segments.isEmpty { members.append(#""memory":[\#(segments.joined(separator: ","))]"#) }
    if let id { members.append(#""id":"\#(id)""#) }
    return "{" + members.joined(separator: ",") + "}"
  }
}

extension API {
  @discardableResult
  func call(_ ioctl: Ioctl, context: String = "default") throws -> Answer {
    try post("/v1/contexts/\(context)/ioctl", ioctl.body)
  }

  /// Sends requests one by one; each gets its errno, and one that is refused changes nothing.
  func refuse(_ requests: [Attempt]) throws {
    for each in requests {
      let before = plane.defaultDigest
      let answer = try send(each.method, "/v1/" + each.path, each.body)
      let errno = answer.status < 400 ? nil : answer.json["errno"].string ?? "\(answer.status)"
      #expect(errno == each.errno, "\(each.claim): \(answer.text)")
      if answer.status >= 400 { #expect(plane.defaultDigest == before, "\(each.claim)") }
    }
  }

  /// A device behind a mock (object IDs 1 and 2), its memory (3) and a nesting parent (4).
  @discardableResult
  func furnishMock() throws -> API {
    try make("smmus", #"{"id":"mock0","driver":"mock"}"#)
    try make("devices", #"{"id":"dut0","smmu":"mock0","stream_id":1,"pasid_bits":20}"#)
    try make("ioas", #"{"id":"ram"}"#)
    try make(
      "domains", #"{"id":"s2","type":"paging","device":"dut0","ioas":"ram","nest_parent":true}"#)
    return self
  }
}
