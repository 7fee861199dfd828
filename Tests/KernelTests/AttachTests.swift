// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Attach, replace, detach")
struct AttachTests {
  /// A guest whose device is attached to `n` under the virtual ID 0x10, with a queue of events.
  private func attached(_ driver: Driver, policy: String = "linux") throws -> Kernel {
    let kernel = try Kernel.guest(driver, policy: policy)
    #expect(try kernel.makeVDev(virtualID: 0x10) == nil)
    #expect(try kernel.makeEventQueue(depth: 8) == nil)
    #expect(try kernel.attach(to: .domain("n")) == nil)
    return kernel
  }

  @Test(
    "35. A translating nested domain wants a vdev on its vIOMMU; what was attached stays",
    arguments: Driver.allCases)
  func withoutVDev(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    try kernel.makeVIOMMU("w")
    #expect(try kernel.attach(to: .domain("n")) == "ENOENT")
    #expect(try kernel.domain() == nil)
    #expect(try kernel.attach(to: .domain("p")) == nil)
    let before = kernel.digest
    #expect(try kernel.replace(by: .domain("n")) == "ENOENT")
    #expect(kernel.digest == before)
    // One on another vIOMMU will not do.
    #expect(try kernel.makeVDev(on: "w", virtualID: 0x10) == nil)
    #expect(try kernel.replace(by: .domain("n")) == "ENOENT")
    #expect(try kernel.domain() == "p")
    try kernel.close()
  }

  @Test("36. Entries that do not translate attach without a vdev")
  func notTranslating() throws {
    let kernel = try Kernel.guest(.smmu)
    #expect(try kernel.makeEventQueue(depth: 8) == nil)
    for (name, ste) in [
      ("abort", #"["0x1","0x0"]"#), ("bypass", #"["0x9","0x0"]"#), ("invalid", #"["0x0","0xff"]"#),
    ] {
      try kernel.make(
        "domains/\(name)", "\"type\":\"nested\",\"device\":\"d\",\"viommu\":\"v\",\"ste\":\(ste)")
      #expect(try kernel.attach(to: .domain(name), mode: "either") == nil)
      #expect(try kernel.get("devices/d")["hardware"]?["vmaster"]?.string == nil)
      #expect(try kernel.raise()["errno"]?.string == "EOPNOTSUPP")
    }
    try kernel.close()
  }

  @Test("37. Replacing a domain by itself is no change at all", arguments: Driver.allCases)
  func sameAgain(_ driver: Driver) throws {
    let kernel = try attached(driver)
    let before = kernel.digest
    #expect(try kernel.replace(by: .domain("n")) == nil)
    #expect(kernel.digest == before)
    // Not even the vdev is asked for again.
    #expect(try kernel.destroy("vdevs/x") == nil)
    #expect(try kernel.replace(by: .domain("n")) == nil)
    #expect(try kernel.raise()["virt_id"]?.quantity == 0x10)
    try kernel.close()
  }

  @Test(
    "38. When a replace fails the events go where they went before", arguments: Driver.allCases)
  func failedReplace(_ driver: Driver) throws {
    let kernel = try attached(driver)
    try kernel.makeVIOMMU("w")
    try kernel.makeNested("m", on: "w")
    try kernel.make("smmus/far", #""driver":"arm-smmuv3""#)
    try kernel.make("devices/f", #""smmu":"far","stream_id":1"#)
    try kernel.makePaging("far", for: "f")
    // No vdev there; a domain of another IOMMU; nothing; nothing that can be attached.
    for (target, errno) in [
      (AttachTarget.domain("m"), "ENOENT"), (.domain("far"), "EINVAL"), (.domain("no"), "ENOENT"),
      (.id(Kernel.nobody), "ENOENT"), (.id(try kernel.id("viommus/v")), "EINVAL"),
    ] {
      let before = kernel.digest
      #expect(try kernel.replace(by: target) == errno)
      #expect(kernel.digest == before)
      let raised = try kernel.raise()
      #expect(raised["viommu"]?.string == "v")
      #expect(raised["virt_id"]?.quantity == 0x10)
    }
    try kernel.close()
  }

  @Test("49. Without a veventq of the type an event is logged", arguments: Driver.allCases)
  func withoutQueue(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver)
    #expect(try kernel.makeVDev(virtualID: 0x10) == nil)
    #expect(try kernel.attach(to: .domain("n")) == nil)
    let viommu = try kernel.id("viommus/v")
    #expect(try kernel.allocateEventQueue(on: viommu, type: 99, depth: 1).errno == nil)
    let raised = try kernel.raise()
    #expect(raised["disposition"]?.string == "logged")
    #expect(raised["errno"]?.string == "EOPNOTSUPP")
    try kernel.close()
  }

  @Test(
    "50. With Linux a vdev goes while its device is attached, and the old virtual ID stays",
    arguments: Driver.allCases)
  func linuxPolicy(_ driver: Driver) throws {
    let kernel = try attached(driver)
    #expect(try kernel.destroy("vdevs/x") == nil)
    #expect(try kernel.raise()["virt_id"]?.quantity == 0x10)
    // A new vdev is not known to the attachment.
    #expect(try kernel.makeVDev("y", virtualID: 0x20) == nil)
    #expect(try kernel.raise()["virt_id"]?.quantity == 0x10)
    // To another domain on the vIOMMU an SMMUv3 takes it along; the mock remembers how it came in.
    try kernel.makeNested("m")
    #expect(try kernel.replace(by: .domain("m")) == nil)
    #expect(try kernel.raise()["virt_id"]?.quantity == (driver == .mock ? 0x10 : 0x20))
    #expect(try kernel.detach() == nil)
    #expect(try kernel.attach(to: .domain("n")) == nil)
    #expect(try kernel.raise()["virt_id"]?.quantity == 0x20)
    try kernel.close()
  }

  @Test(
    "51. By the design's policy the attachment pins the vdev, until it ends",
    arguments: Driver.allCases)
  func designPolicy(_ driver: Driver) throws {
    let kernel = try attached(driver, policy: "design")
    let vdev = try kernel.id("vdevs/x")
    #expect(try kernel.destroy(vdev) == "EBUSY")
    #expect(try kernel.delete("vdevs/x").errno == "EBUSY")
    #expect(try kernel.replace(by: .domain("p")) == nil)
    #expect(try kernel.destroy(vdev) == nil)
    try kernel.close()
  }

  @Test("107. A vdev that comes after a bypass attach counts from the next domain on")
  func lateVDev() throws {
    let kernel = try Kernel.guest(.smmu)
    #expect(try kernel.makeEventQueue(depth: 8) == nil)
    for name in ["b", "c"] {
      try kernel.make(
        "domains/\(name)",
        "\"type\":\"nested\",\"device\":\"d\",\"viommu\":\"v\",\"ste\":[\"0x9\",\"0x0\"]")
    }
    #expect(try kernel.attach(to: .domain("b")) == nil)
    #expect(try kernel.makeVDev(virtualID: 0x10) == nil)
    #expect(try kernel.replace(by: .domain("b")) == nil)
    #expect(try kernel.raise()["errno"]?.string == "EOPNOTSUPP")
    #expect(try kernel.replace(by: .domain("c")) == nil)
    #expect(try kernel.raise()["virt_id"]?.quantity == 0x10)
    try kernel.close()
  }

  @Test("108. A nested RID keeps PASIDs out, and PASIDs a nested RID", arguments: Driver.allCases)
  func pasids(_ driver: Driver) throws {
    let kernel = try Kernel.guest(driver, pasidBits: 4)
    try kernel.makePaging("s", #","pasid":true"#)
    #expect(try kernel.makeVDev(virtualID: 0x10) == nil)
    #expect(try kernel.attach(to: .domain("n")) == nil)
    #expect(try kernel.attach(pasid: 5, to: .domain("s")) == "EINVAL")
    #expect(try kernel.detach() == nil)
    #expect(try kernel.attach(pasid: 5, to: .domain("s")) == nil)
    #expect(try kernel.attach(to: .domain("s")) == nil)
    #expect(try kernel.replace(by: .domain("n")) == "EINVAL")
    #expect(try kernel.domain() == "s")
    #expect(try kernel.domain(pasid: 5) == "s")
    try kernel.close()
  }
}
