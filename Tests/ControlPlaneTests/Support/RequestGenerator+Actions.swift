// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// What is done to objects that are there.
extension RequestGenerator {
  // MARK: A virtual machine

  /// All that a virtual machine with a device, guest-owned queues and events is made of. Where
  /// some of it is there already, the rest is added, or refused.
  mutating func virtualMachine() -> [TestRequest] {
    let device = random.pick(["d0", "d1"])
    let (parent, viommu, nested) = random.pick([("p0", "v0", "n0"), ("p1", "v1", "n1")])
    let stream = random.below(4)
    return [
      put("devices/\(device)", "\"smmu\":\"smmu0\",\"stream_id\":\(stream),\"pasid_bits\":4"),
      put("ioas/i0", ""),
      post("ioas/i0/map", "\"iova\":\"0x10000\",\"length\":\"0x10000\""),
      put(
        "domains/\(parent)",
        "\"type\":\"paging\",\"device\":\"\(device)\",\"ioas\":\"i0\",\"nest_parent\":true"),
      put(
        "viommus/\(viommu)",
        "\"type\":\"tegra241-cmdqv\",\"device\":\"\(device)\",\"domain\":\"\(parent)\""),
      put("vdevs/x0", "\"viommu\":\"\(viommu)\",\"device\":\"\(device)\",\"virt_id\":1"),
      put("fault-queues/f0", ""),
      put(
        "domains/\(nested)",
        "\"type\":\"nested\",\"device\":\"\(device)\",\"viommu\":\"\(viommu)\","
          + "\"ste\":[\"0xb\",0],\"fault_queue\":\"f0\""),
      put("devices/\(device)/attachment", "\"domain\":\"\(nested)\""),
      put("veventqs/e0", "\"viommu\":\"\(viommu)\",\"type\":\"arm-smmuv3\",\"depth\":2"),
      put(
        "hw-queues/q0",
        "\"viommu\":\"\(viommu)\",\"type\":\"tegra241-cmdqv\",\"index\":0,"
          + "\"iova\":\"0x10000\",\"length\":\"0x1000\""),
      put(
        "hw-queues/q1",
        "\"viommu\":\"\(viommu)\",\"type\":\"tegra241-cmdqv\",\"index\":1,"
          + "\"iova\":\"0x12000\",\"length\":\"0x1000\""),
    ]
  }

  private func put(_ path: String, _ members: String) -> TestRequest {
    TestRequest(method: .put, path: "\(prefix)/\(path)", body: "{\(members)}")
  }

  private func post(_ path: String, _ members: String) -> TestRequest {
    TestRequest(method: .post, path: "\(prefix)/\(path)", body: "{\(members)}")
  }

  // MARK: Attaching

  mutating func attachment() -> TestRequest {
    var path = "\(prefix)/devices/\(device())/attachment"
    if random.chance(35) { path += "s/\(random.pick([1, 2, 3, 15, 16, 1_048_575, 1_048_576]))" }
    if random.chance(25) { return TestRequest(method: .delete, path: path) }
    let target = random.chance(70) ? "\"domain\":\"\(domain())\"" : "\"ioas\":\"\(ioas())\""
    var request = TestRequest(method: .put, path: path, body: "{\(target)}")
    if random.chance(30) {
      request.addQuery("mode=\(random.pick(["attach", "replace", "either"]))")
    }
    return request
  }

  // MARK: Mapping

  mutating func mapping() -> TestRequest {
    let path = "\(prefix)/ioas/\(ioas())"
    let iova = random.pick([
      "0x0", "0x1000", "0x2000", "0x4000", "0x10000", "8192", "0x1001", "0xffffffffffff",
      "0xfffffffffffff000", "0xffffffffffffffff",
    ])
    let length = random.pick([
      "0x1000", "0x1000", "0x2000", "4096", "0x10000", "0", "1", "0x40000000",
      "0x8000000000000000", "0xffffffffffffffff",
    ])
    if random.chance(30) {
      let (start, count) = random.chance(20) ? ("0x0", "0xffffffffffffffff") : (iova, length)
      return TestRequest(
        method: .post, path: path + "/unmap",
        body: "{\"iova\":\(quoted(start)),\"length\":\(quoted(count))}")
    }
    let place = optional(70, "\"iova\":\(quoted(iova))")
    let physical = optional(
      20, "\"physical\":\(quoted(random.pick(["0x80000000", "0x1", "0xfffffffffffff000"])))")
    let rights =
      optional(10, "\"readable\":\(flag(30))") + optional(10, "\"writable\":\(flag(30))")
    return TestRequest(
      method: .post, path: path + "/map",
      body: "{\"length\":\(quoted(length))\(place)\(physical)\(rights)}")
  }

  func quoted(_ quantity: String) -> String {
    quantity.hasPrefix("0x") ? "\"\(quantity)\"" : quantity
  }

  // MARK: Events

  mutating func event() -> TestRequest {
    switch random.below(10) {
    case 0, 1, 2: return hardwareEvent()
    case 3, 4: return pageRequest()
    case 5, 6:
      let count = random.pick([
        "", "", "?limit=1", "?limit=4", "?count=39", "?count=40", "?count=0",
      ])
      return TestRequest(
        method: .get, path: "\(prefix)/veventqs/\(eventQueue())/events\(count)")
    case 7, 8:
      let count = random.pick(["", "", "?limit=1", "?count=40", "?count=41", "?count=0"])
      return TestRequest(
        method: .get, path: "\(prefix)/fault-queues/\(faultQueue())/faults\(count)")
    default:
      let more = optional(20, "{\"cookie\":\(1 + random.below(3)),\"code\":\"invalid\"}")
      return TestRequest(
        method: .post, path: "\(prefix)/fault-queues/\(faultQueue())/responses",
        body: "{\"responses\":[{\"cookie\":\(random.below(4)),\"code\":\"success\"}\(more)]}")
    }
  }

  /// A record of four words: what happened, with or without a substream, stalled, stage 2.
  private mutating func hardwareEvent() -> TestRequest {
    let id = random.pick([UInt64(0x10), 0x10, 0x12, 0x04, 0x01, 0xff])
    let substream = random.chance(20) ? UInt64(1) << 11 | UInt64(random.below(4)) << 12 : 0
    let stall = random.chance(30) ? UInt64(1) << 31 : 0
    let stage2 = random.chance(10) ? UInt64(1) << 39 : 0
    var words = [id | substream, stall | stage2 | UInt64(random.below(8)), 0x1000, 0].map {
      "\"0x\(String($0, radix: 16))\""
    }
    if random.chance(5) { words.removeLast() }
    return TestRequest(
      method: .post, path: "\(prefix)/devices/\(device())/hardware-events",
      body: "{\"record\":[\(words.joined(separator: ","))]}")
  }

  private mutating func pageRequest() -> TestRequest {
    let pages = (0...random.below(2)).map { "{\"address\":\"0x\($0)000\",\"write\":true}" }
    let pasid = optional(40, "\"pasid\":\(random.below(4))")
    let group = optional(50, "\"group\":\(random.below(600))")
    return TestRequest(
      method: .post, path: "\(prefix)/devices/\(device())/page-requests",
      body: "{\"pages\":[\(pages.joined(separator: ","))]\(pasid)\(group)}")
  }
}
