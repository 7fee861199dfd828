// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import SeededRandom

@testable import ControlPlane

/// Makes requests that are well formed and often wrong: their names come from small pools, so
/// that references hit, and miss, again and again.
struct RequestGenerator {
  var random: SplitMix64
  /// The path of the host that the requests are about, `/v1`.
  let prefix: String
  /// The IDs that the objects of each kind had when they were last looked at: system calls name
  /// objects by these.
  var objectIDs: [ObjectKind: [UInt32]] = [:]
  /// Whether queues may run by themselves: nobody knows when they have done what.
  var hasThreads = false
  /// Requests that come next, the last one first.
  var pending: [TestRequest] = []

  init(seed: UInt64, prefix: String = "/v1") {
    random = SplitMix64(seed: seed)
    self.prefix = prefix
  }

  /// Any request.
  mutating func next() -> TestRequest {
    if let step = pending.popLast() { return step }
    if random.chance(3) { pending = virtualMachine().reversed() }
    var request = draft()
    if request.method != .get, random.chance(12) { request.addQuery("dry_run=true") }
    if random.chance(4) {
      request.headers[.ifMatch] = random.pick(["*", "\"e1-1\"", "\"e1-smmu-1\", W/\"x\"", "x"])
    }
    if random.chance(2) { request.headers[.ifNoneMatch] = random.pick(["*", "\"e1-3\""]) }
    if request.method != .get, random.chance(4) {
      request.headers[.idempotencyKey] = "key-\(random.below(300))"
    }
    return request
  }

  private mutating func draft() -> TestRequest {
    let kind = random.pick(weighted: [
      (140, 0), (56, 1), (44, 2), (32, 3), (60, 4), (16, 5), (16, 6), (8, 7), (3, 8), (2, 9),
      (24, 10), (64, 11), (16, 12), (44, 13),
    ])
    switch kind {
    case 0: return creation()
    case 1: return attachment()
    case 2: return mapping()
    case 3: return deletion()
    case 4: return event()
    case 5: return reading()
    case 6: return batch()
    case 7: return malformed()
    case 8: return TestRequest(method: .post, path: "\(prefix)/devices/\(device())/unplug")
    case 10: return accessAction()
    case 11: return ioctl()
    case 12: return systemCall()
    case 13: return hardware()
    default:
      let name = random.chance(40) ? "default" : random.pick(["c1", "c2"])
      let path = random.chance(75) ? "contexts/\(name)?cascade=true" : "reset"
      let method: HTTPCore.Method = path == "reset" ? .post : .delete
      return TestRequest(method: method, path: "\(prefix)/\(path)")
    }
  }

  // MARK: Names

  mutating func device() -> String {
    random.pick(["d0", "d0", "d1", "d1", "d2", "d3", "device-1"])
  }
  mutating func ioas() -> String { random.pick(["i0", "i1", "i2", "ioas-1"]) }
  mutating func domain() -> String {
    random.pick(["p0", "p1", "n0", "n1", "n2", "s0", "s1", "domain-\(1 + random.below(9))"])
  }
  mutating func viommu() -> String { random.pick(["v0", "v1", "v2"]) }
  mutating func vdev() -> String { random.pick(["x0", "x1", "x2"]) }
  mutating func ring() -> String { random.pick(["q0", "q1", "q2"]) }
  mutating func eventQueue() -> String { random.pick(["e0", "e1", "e2"]) }
  mutating func faultQueue() -> String { random.pick(["f0", "f1", "f2"]) }
  mutating func access() -> String { random.pick(["a0", "a1", "a2"]) }
  /// The mock is `m0`, VT-d `t0`, and `bare0` has no driver.
  mutating func smmu() -> String {
    random.pick(weighted: [
      (65, "smmu0"), (20, "m0"), (5, "t0"), (5, "s1"), (5, "s2"), (8, "bare0"),
    ])
  }
  mutating func context() -> String { random.chance(80) ? "default" : random.pick(["c1", "c2"]) }

  /// A collection and a name that one of its objects may have.
  mutating func object() -> (collection: String, id: String) {
    switch random.below(16) {
    case 0, 1: ("devices", device())
    case 2: ("ioas", ioas())
    case 3, 4, 5: ("domains", domain())
    case 6, 7: ("viommus", viommu())
    case 8, 9: ("vdevs", vdev())
    case 10: ("hw-queues", ring())
    case 11: ("veventqs", eventQueue())
    case 12: ("fault-queues", faultQueue())
    case 13: ("contexts", context())
    case 14: ("accesses", access())
    default: ("smmus", random.pick(["smmu0", "m0", "t0", "s1", "s2", "bare0"]))
    }
  }

  /// A member with its value, in some of the cases.
  mutating func optional(_ percent: Int, _ member: String) -> String {
    random.chance(percent) ? "," + member : ""
  }

  mutating func flag(_ percent: Int) -> String { random.chance(percent) ? "true" : "false" }

  // MARK: Deleting

  mutating func deletion() -> TestRequest {
    let (collection, id) = object()
    // The SMMU and the context that all the rest needs go but rarely.
    if id == "smmu0" || id == "default", random.chance(90) {
      return TestRequest(method: .delete, path: "\(prefix)/vdevs/\(vdev())")
    }
    var request = TestRequest(method: .delete, path: "\(prefix)/\(collection)/\(id)")
    if random.chance(15) { request.addQuery("allow_missing=true") }
    if random.chance(20) { request.addQuery("cascade=true") }
    if random.chance(5) { request.addQuery("plan=sha256:0") }
    if random.chance(8) {
      let queue = random.chance(50) ? "veventqs/\(eventQueue())" : "fault-queues/\(faultQueue())"
      request.path = "\(prefix)/\(queue)/file"
    }
    return request
  }

  // MARK: Reading

  private mutating func reading() -> TestRequest {
    let (collection, id) = object()
    let path = random.pick([
      "\(collection)/\(id)", "\(collection)/\(id)", "\(collection)/\(id)/explain",
      "\(collection)?limit=\(1 + random.below(3))", "\(collection)?cursor=after.\(id)",
      "\(collection)?context=default", "ioas/\(ioas())/mappings?limit=2&cursor=0x1000",
      "graph?format=\(random.pick(["json", "dot", "mermaid"]))", "events?limit=3&kind=vdev",
      "events?snapshot=true", "events?after=\(random.below(50))", "events?after=latest",
      "veventqs/\(eventQueue())/events?follow=true",
      "fault-queues/\(faultQueue())/faults?follow=true", "accesses?ioas=\(ioas())",
      "contexts/default/mmaps/\(1 + random.below(3))/0x\(random.pick(["0", "4", "1fffc"]))",
    ])
    return TestRequest(method: random.chance(8) ? .head : .get, path: "\(prefix)/\(path)")
  }

  // MARK: Batches

  private mutating func batch() -> TestRequest {
    var items: [String] = []
    for position in 0..<(1 + random.below(4)) {
      if random.chance(10) {
        let (collection, id) = object()
        let exists = flag(50)
        items.append(
          "{\"assert\":{\"path\":\"\(prefix)/\(collection)/\(id)\",\"exists\":\(exists)}}")
        continue
      }
      var request = draft()
      // A batch carries JSON alone.
      while [.get, .head].contains(request.method) || request.headers[.contentType] != nil {
        request = draft()
      }
      let body = request.body.isEmpty ? "" : ",\"body\":\(request.body)"
      let name = optional(20, "\"as\":\"a\(position)\"")
      items.append(
        "{\"method\":\"\(request.method.rawValue)\",\"path\":\"\(request.path)\"\(body)\(name)}")
    }
    if random.chance(30) {
      items.append("{\"method\":\"POST\",\"path\":\"\(prefix)/ioas\",\"body\":{},\"as\":\"new\"}")
      items.append(
        "{\"method\":\"POST\",\"path\":\"\(prefix)/ioas/$new/map\",\"body\":{\"length\":4096}}")
      items.append("{\"method\":\"DELETE\",\"path\":\"\(prefix)/ioas/$new\"}")
    }
    return TestRequest(
      method: .post, path: "\(prefix)/batch",
      body: "{\"operations\":[\(items.joined(separator: ","))]}")
  }

  // MARK: What no decoder takes

  private mutating func malformed() -> TestRequest {
    let (collection, id) = object()
    let body = random.pick([
      "{", "[]", "{\"id\":1}", "{\"id\":\"A\"}", "{\"x\":1,\"x\":2}", "{\"id\":\"\\ud800\"}",
      "{\"device\":\"$a\"}", "{\"type\":\"nested\"}", "null", "{\"context\":null,\"smmu\":{}}",
    ])
    return TestRequest(
      method: random.pick([.post, .put, .patch, .delete]),
      path: "\(prefix)/\(collection)\(random.chance(50) ? "/\(id)" : "")", body: body)
  }
}

extension TestRequest {
  mutating func addQuery(_ parameter: String) {
    path += (path.utf8.contains(UInt8(ascii: "?")) ? "&" : "?") + parameter
  }

  var isDryRun: Bool { path.contains("dry_run=true") }

  /// Whether what comes of it is known only when it has been done; a batch may have such a request
  /// in it.
  var isDecidedAtCommit: Bool {
    ["hardware-events", "/dma", "/submit"].contains { path.contains($0) || body.contains($0) }
  }
}
