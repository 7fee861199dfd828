// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// What is done to objects that are there.
extension RequestGenerator {
  // MARK: A virtual machine

  /// What a guest on a kind of IOMMU is made of. The two kinds share few names, so that both can be
  /// there.
  private struct Machine {
    var smmu: String
    var driver: String
    var devices: [String]
    var ioas: String
    /// Behind the letter that says what an object is.
    var number: Int
    /// The type of its vIOMMU and of its queues.
    var type: String
    var eventType: String
    var data: String
    var firstPage: String
    var secondPage: String
  }

  private static let machines = [
    Machine(
      smmu: "smmu0", driver: "arm-smmuv3", devices: ["d0", "d2"], ioas: "i0", number: 0,
      type: "tegra241-cmdqv", eventType: "arm-smmuv3", data: "\"ste\":[\"0xb\",0]",
      firstPage: "0x10000", secondPage: "0x12000"),
    Machine(
      smmu: "m0", driver: "mock", devices: ["d1", "d3"], ioas: "i2", number: 1, type: "selftest",
      eventType: "selftest", data: "\"iotlb\":\"0x99\"", firstPage: "0x1000000",
      secondPage: "0x1002000"),
  ]

  /// All that a virtual machine with a device, guest-owned queues and events is made of. Where
  /// some of it is there already, the rest is added, or refused.
  mutating func virtualMachine() -> [TestRequest] {
    let machine = random.pick(RequestGenerator.machines)
    let device = random.pick(machine.devices)
    let number = machine.number
    return addressSpace(machine, device) + guest(machine, device) + [
      put("accesses/a\(number)", "\"ioas\":\"\(machine.ioas)\""),
      post("accesses/a\(number)/pins", "\"iova\":\"\(machine.firstPage)\",\"length\":4096"),
      post(
        "devices/\(device)/page-requests",
        "\"pages\":[{\"address\":0}],\"group\":\(random.below(9))"),
      TestRequest(method: .get, path: "\(prefix)/fault-queues/f0/faults"),
    ]
  }

  private mutating func addressSpace(_ machine: Machine, _ device: String) -> [TestRequest] {
    let paging = "\"type\":\"paging\",\"device\":\"\(device)\",\"ioas\":\"\(machine.ioas)\","
    let stream = device.utf8.last.map { Int($0) & 3 } ?? 0
    return [
      put("contexts/default", ""),
      put("smmus/\(machine.smmu)", "\"driver\":\"\(machine.driver)\""),
      put(
        "devices/\(device)",
        "\"smmu\":\"\(machine.smmu)\",\"stream_id\":\(stream),\"pasid_bits\":4"),
      put("ioas/\(machine.ioas)", ""),
      post(
        "ioas/\(machine.ioas)/map",
        "\"iova\":\"\(machine.firstPage)\",\"length\":\"0x10000\""),
      put("domains/p\(machine.number)", paging + "\"nest_parent\":true"),
      put("domains/s\(machine.number)", paging + "\"pasid\":true,\"dirty_tracking\":true"),
    ]
  }

  private mutating func guest(_ machine: Machine, _ device: String) -> [TestRequest] {
    let number = machine.number
    let (viommu, nested) = ("v\(number)", "n\(number)")
    let on = "\"viommu\":\"\(viommu)\",\"type\":"
    let execution = hasThreads && random.chance(50) ? "\"execution\":\"async\"," : ""
    let ring = on + "\"\(machine.type)\",\"length\":4096,\(execution)"
    return [
      put(
        "viommus/\(viommu)",
        "\"type\":\"\(machine.type)\",\"device\":\"\(device)\",\"domain\":\"p\(number)\""),
      put(
        "vdevs/x\(number)", "\"viommu\":\"\(viommu)\",\"device\":\"\(device)\",\"virt_id\":1"),
      put("fault-queues/f0", ""),
      put(
        "domains/\(nested)",
        "\"type\":\"nested\",\"device\":\"\(device)\",\"viommu\":\"\(viommu)\","
          + "\(machine.data),\"fault_queue\":\"f0\""),
      random.chance(30)
        ? put("devices/\(device)/attachment", "\"domain\":\"s\(number)\"")
        : put("devices/\(device)/attachment", "\"domain\":\"\(nested)\""),
      put("veventqs/e\(number)", on + "\"\(machine.eventType)\",\"depth\":2"),
      put("hw-queues/q0", ring + "\"index\":0,\"iova\":\"\(machine.firstPage)\""),
      put("hw-queues/q1", ring + "\"index\":1,\"iova\":\"\(machine.secondPage)\""),
      put("viommus/\(viommu)/mmio/0x8", "\"value\":1"),
      post(
        "hw-queues/q0/submit",
        "\"commands\":[[\"0x5000000000011\",0],[\"0x\(random.pick(["46", "3"]))\",0]]"),
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
    let isPASID = random.chance(35)
    if isPASID { path += "s/\(random.pick([1, 2, 3, 15, 16, 1_048_575, 1_048_576]))" }
    if random.chance(25) { return TestRequest(method: .delete, path: path) }
    let wanted = isPASID && random.chance(80) ? random.pick(["s0", "s1", "n2"]) : domain()
    let target = random.pick(weighted: [
      (60, "\"domain\":\"\(wanted)\""), (25, "\"ioas\":\"\(ioas())\""),
      (15, "\"object_id\":\(objectID(random.pick([.domain, .domain, .ioas, .viommu])))"),
    ])
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
      "0xfffffffffffff000", "0xffffffffffffffff", "0x1000000", "0x1000800", "0x8000000",
    ])
    let length = random.pick([
      "0x1000", "0x1000", "0x2000", "4096", "0x10000", "0", "1", "0x800", "0x40000000",
      "0x8000000000000000", "0xffffffffffffffff",
    ])
    if random.chance(30) {
      let (start, count) = random.chance(40) ? ("0x0", "0xffffffffffffffff") : (iova, length)
      return TestRequest(
        method: .post, path: path + "/unmap",
        body: "{\"iova\":\(quoted(start)),\"length\":\(quoted(count))}")
    }
    if random.chance(6) {
      return TestRequest(
        method: .post, path: path + "/reserved",
        body: "{\"start\":\(quoted(iova)),\"length\":\(quoted(length))}")
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
      if random.chance(30) {
        let bytes =
          random.pick(["", "01", ""]) + response() + (random.chance(40) ? response() : "")
        return TestRequest(
          method: .post, path: "\(prefix)/fault-queues/\(faultQueue())/responses",
          body: "{\"bytes\":\"\(bytes)\"}")
      }
      let more = optional(20, "{\"cookie\":\(1 + random.below(3)),\"code\":\"invalid\"}")
      return TestRequest(
        method: .post, path: "\(prefix)/fault-queues/\(faultQueue())/responses",
        body: "{\"responses\":[{\"cookie\":\(random.below(4)),\"code\":\"success\"}\(more)]}")
    }
  }

  /// A response as the ABI has it: a cookie and a code.
  private mutating func response() -> String {
    "0\(random.below(4))000000" + random.pick(["00000000", "01000000", "02000000"])
  }

  /// A record of an SMMUv3: what happened, with or without a substream, stalled, stage 2. A mock's
  /// has one word, that of a VT-d two.
  private mutating func hardwareEvent() -> TestRequest {
    let id = random.pick([UInt64(0x10), 0x10, 0x12, 0x04, 0x01, 0xff])
    let substream = random.chance(20) ? UInt64(1) << 11 | UInt64(random.below(4)) << 12 : 0
    let stall = random.chance(30) ? UInt64(1) << 31 : 0
    let stage2 = random.chance(10) ? UInt64(1) << 39 : 0
    var words = [id | substream, stall | stage2 | UInt64(random.below(8)), 0x1000, 0].map {
      "\"0x\(String($0, radix: 16))\""
    }
    words.removeLast(random.pick(weighted: [(70, 0), (24, 3), (4, 2), (2, 1)]))
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
