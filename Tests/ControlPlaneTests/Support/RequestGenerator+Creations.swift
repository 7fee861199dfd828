// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Bodies of creations.
extension RequestGenerator {
  mutating func creation() -> TestRequest {
    let kind = random.pick(weighted: [
      (9, "devices"), (6, "ioas"), (14, "domains"), (9, "nested"), (9, "viommus"), (9, "vdevs"),
      (7, "hw-queues"), (6, "veventqs"), (4, "fault-queues"), (3, "contexts"), (4, "smmus"),
      (6, "accesses"),
    ])
    let (id, members) = body(kind)
    let collection = kind == "nested" ? "domains" : kind
    let way = random.below(100)
    if way < 40 {
      return TestRequest(
        method: .put, path: "\(prefix)/\(collection)/\(id)", body: "{\(members)}")
    }
    let comma = members.isEmpty ? "" : ","
    // Without a name, or with one of the server's form, the counters move.
    let name =
      way < 90
      ? "\"id\":\"\(id)\"\(comma)"
      : way < 93
        ? "\"id\":\"\(kind == "ioas" ? "ioas-" : "device-")\(random.below(12))\"\(comma)" : ""
    return TestRequest(
      method: .post, path: "\(prefix)/\(collection)", body: "{\(name)\(members)}")
  }

  private mutating func body(_ kind: String) -> (id: String, members: String) {
    switch kind {
    case "devices": (device(), deviceMembers())
    case "ioas": (ioas(), random.chance(40) ? "\"context\":\"\(context())\"" : "")
    case "domains": paging()
    case "nested": nested()
    case "viommus": (viommu(), viommuMembers())
    case "vdevs": (vdev(), vdevMembers())
    case "hw-queues": (ring(), ringMembers())
    case "veventqs": (eventQueue(), eventQueueMembers())
    case "fault-queues": faultQueueBody()
    case "contexts": (context(), "")
    case "accesses": (access(), "\"ioas\":\"\(ioas())\"" + optional(40, "\"pin\":\(flag(60))"))
    default: smmuBody()
    }
  }

  private mutating func deviceMembers() -> String {
    let stream = random.chance(90) ? random.below(6) : random.pick([65535, 65536, 4_294_967_295])
    return "\"smmu\":\"\(smmu())\",\"stream_id\":\(stream)"
      + optional(25, "\"context\":\"\(context())\"")
      + optional(30, "\"group\":\"g\(random.below(2))\"") + optional(30, "\"ats\":\(flag(50))")
      + optional(30, "\"pri\":\(flag(50))") + optional(15, "\"stall\":\(flag(60))")
      + optional(60, "\"pasid_bits\":\(random.pick([0, 1, 4, 12, 20]))")
      + optional(8, "\"alias_stream_ids\":[\(random.below(12)),7]")
      + optional(15, "\"dirty_tracking\":\(flag(30))")
  }

  private mutating func paging() -> (String, String) {
    let isParent = random.chance(45)
    let name = isParent ? random.pick(["p0", "p1"]) : random.pick(["s0", "s1"])
    let members =
      "\"type\":\"paging\",\"device\":\"\(device())\",\"ioas\":\"\(ioas())\""
      + (isParent ? ",\"nest_parent\":true" : optional(45, "\"pasid\":\(flag(80))"))
      + optional(25, "\"dirty_tracking\":\(flag(75))")
      + optional(25, "\"fault_queue\":\"\(faultQueue())\"")
    return (name, members)
  }

  private mutating func nested() -> (String, String) {
    // Stage 1, bypass, abort, not valid; then what a guest may not write.
    let word0 = random.pick(weighted: [
      (10, "0xb"), (3, "0x9"), (2, "0x1"), (2, "0x0"), (1, "0xd"), (1, "0x800000000000b"),
      (1, "0x0010000000000b0b"),
    ])
    let word1 = random.pick(weighted: [
      (10, "0x0"), (2, "0x10000000"), (1, "0x20000000"), (1, "0x80000"),
    ])
    // Which data fits depends on the IOMMU, and only the mock nests on parents.
    let data =
      random.chance(65)
      ? "\"ste\":[\"\(word0)\",\"\(word1)\"]"
      : "\"iotlb\":\"0x\(random.pick(["0", "99", "ffffffff"]))\""
    let base =
      random.chance(80)
      ? "\"viommu\":\"\(viommu())\"" : "\"domain\":\"\(random.pick(["p0", "p1", "s0"]))\""
    let members =
      "\"type\":\"nested\",\"device\":\"\(device())\",\(base),\(data)"
      + optional(10, "\"pasid\":true") + optional(30, "\"fault_queue\":\"\(faultQueue())\"")
    return (random.pick(["n0", "n1", "n2"]), members)
  }

  private mutating func viommuMembers() -> String {
    let type = random.pick(["arm-smmuv3", "tegra241-cmdqv", "selftest"])
    let parent = random.chance(85) ? random.pick(["p0", "p1"]) : domain()
    return "\"type\":\"\(type)\",\"device\":\"\(device())\",\"domain\":\"\(parent)\""
  }

  private mutating func vdevMembers() -> String {
    let virtual = random.pick(["0x0", "0x1", "0x2", "0x3", "0xfffff", "0x100000"])
    return "\"viommu\":\"\(viommu())\",\"device\":\"\(device())\",\"virt_id\":\"\(virtual)\""
  }

  private mutating func ringMembers() -> String {
    let iova = random.pick([
      "0x1000", "0x2000", "0x4000", "0x10000", "0x1020", "0x1000000", "0x1000000",
      "0xffffffffffffffff",
    ])
    let type = random.pick(["tegra241-cmdqv", "selftest"])
    let length = random.pick([
      "0x20", "0x1000", "0x1000", "0x2000", "0x800000", "0x1000000", "0x0", "0x30",
      "0xffffffffffffffff",
    ])
    return "\"viommu\":\"\(viommu())\",\"type\":\"\(type)\",\"index\":\(random.below(3))"
      + ",\"iova\":\"\(iova)\",\"length\":\"\(length)\""
      + (hasThreads ? optional(50, "\"execution\":\"async\"") : "")
  }

  private mutating func eventQueueMembers() -> String {
    let type = random.pick(["arm-smmuv3", "tegra241-cmdqv", "selftest", "7"])
    return "\"viommu\":\"\(viommu())\",\"type\":\"\(type)\""
      + ",\"depth\":\(random.pick([1, 2, 3, 524_288, 524_289]))"
      + optional(20, "\"file\":\"\(random.pick(["open", "closed"]))\"")
  }

  private mutating func faultQueueBody() -> (String, String) {
    let file = optional(25, "\"file\":\"open\"")
    return (faultQueue(), "\"context\":\"\(context())\"" + file)
  }

  private mutating func smmuBody() -> (String, String) {
    if random.chance(40) {
      let (name, driver) = random.pick([
        ("m0", "mock"), ("m0", "mock"), ("t0", "intel-vtd"), ("bare0", "arm-smmuv3-bare"),
      ])
      let cmdqv =
        driver == "arm-smmuv3-bare"
        ? optional(40, "\"cmdqv\":{\"vintfs\":2,\"vcmdqs\":4,\"sids_per_vintf\":2}")
        : optional(5, "\"cmdqv\":null")
      return (name, "\"driver\":\"\(driver)\"" + cmdqv)
    }
    let members = random.pick([
      "\"cmdqv\":null", "\"cmdqv\":{\"vintfs\":2,\"vcmdqs\":2,\"sids_per_vintf\":1}",
      "\"features\":{\"s1p\":false}", "\"features\":{\"fwb\":false},\"stream_id_bits\":2",
      "\"features\":{\"s2p\":false,\"s1p\":false}", "\"features\":{\"ssidsize\":4,\"httu\":0}",
      "\"cmdqv\":{\"vintfs\":3,\"vcmdqs\":4,\"sids_per_vintf\":1}", "\"driver\":\"arm-smmuv3\"",
    ])
    return (random.pick(["s1", "s2", "smmu0"]), members)
  }
}
