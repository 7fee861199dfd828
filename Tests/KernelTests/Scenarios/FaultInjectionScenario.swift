// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@testable import ControlPlane
@testable import IOMMUFD

@Suite("Scenario of the kernel's self-test: each step of a guest's life fails once")
struct FaultInjectionScenario {
  /// One request of the sequence.
  private struct Call {
    let method: HTTPCore.Method
    let path: String
    let members: String?

    init(_ method: HTTPCore.Method, _ path: String, _ members: String? = nil) {
      self.method = method
      self.path = path
      self.members = members
    }
  }

  /// The sequence: an SMMUv3 has no nesting parent with the pasid flag, and attaches no PASID
  /// while its device is in a vIOMMU.
  private func sequence(_ driver: Driver) -> [Call] {
    let host = "/v1/hosts/\(Kernel.host)"
    let paging = #""type":"paging","device":"d","ioas":"i""#
    let parent = paging + #","nest_parent":true"# + (driver == .mock ? #","pasid":true"# : "")
    let attachment = "devices/d/attachment"
    return [
      Call(
        .post, "batch",
        "\"operations\":[{\"method\":\"PUT\",\"path\":\"\(host)/devices/d\",\"body\":"
          + #"{"smmu":"iommu","stream_id":1,"pasid_bits":20}},"#
          + "{\"method\":\"PUT\",\"path\":\"\(host)/\(attachment)\",\"body\":{\"ioas\":\"i\"}}]"),
      Call(.put, "domains/s", paging + #","pasid":true"#),
      Call(.put, attachment + "?mode=replace", #""ioas":"j""#),
      Call(.put, attachment + "?mode=replace", #""domain":"s""#),
      Call(.put, "domains/p", parent),
      Call(
        .put, "viommus/v", "\"type\":\"\(driver.viommuType)\",\"device\":\"d\",\"domain\":\"p\""),
      Call(.put, "vdevs/x", #""viommu":"v","device":"d","virt_id":0"#),
      Call(
        .put, "hw-queues/q",
        "\"viommu\":\"v\",\"type\":\"\(driver.hwQueueType)\",\"index\":0,"
          + #""iova":"0x1000000","length":"0x1000""#),
      Call(.put, "fault-queues/f", #""file":"open""#),
      Call(
        .put, "domains/n",
        "\"type\":\"nested\",\"device\":\"d\",\"viommu\":\"v\",\"fault_queue\":\"f\","
          + driver.nestedData),
      Call(
        .put, "veventqs/e",
        "\"viommu\":\"v\",\"type\":\"\(driver.veventqType)\",\"depth\":2,\"file\":\"open\""),
      Call(.put, "domains/t", paging + #","pasid":true"#),
      Call(.put, "devices/d/attachments/200?mode=attach", #""domain":"s""#),
      Call(.put, "devices/d/attachments/200?mode=replace", #""domain":"t""#),
      Call(.delete, "devices/d/attachments/200"),
    ]
  }

  private func world(_ driver: Driver) throws -> Kernel {
    let kernel = try Kernel(driver)
    for name in ["i", "j"] { try kernel.make("ioas/\(name)") }
    try kernel.map(0x100_0000, 0x2000)
    return kernel
  }

  private func injectFault(_ kernel: Kernel, atStep step: Int?) throws {
    try kernel.plane.hosts.host(Kernel.host)?.read { $0.core.injectFault(atStep: step) }
  }

  @Test(
    "K55. Whichever step fails, the call is refused, nothing stays of it, and it can be repeated",
    arguments: Driver.allCases)
  func sweep(_ driver: Driver) throws {
    let calls = sequence(driver)
    let flawless = try world(driver)
    // What the host is before each call, and at the end.
    var digests = [flawless.digest]
    for call in calls {
      let reply = try flawless.call(call.method, call.path, call.members)
      try #require(reply.errno == nil, "\(call.path): \(reply.errno ?? "")")
      digests.append(flawless.digest)
    }
    try flawless.close()
    var step = 1
    // Each round fails one step later; the last one never comes to it.
    while try failing(calls, atStep: step, driver, digests) { step += 1 }
    // Each of the calls has several steps.
    #expect(step > 3 * calls.count)
  }

  /// Plays the sequence with one step that fails.
  ///
  /// - Returns: whether it has come to that step.
  private func failing(
    _ calls: [Call], atStep step: Int, _ driver: Driver, _ digests: [String?]
  ) throws -> Bool {
    let kernel = try world(driver)
    try injectFault(kernel, atStep: step)
    var hasFailed = false
    for (index, call) in calls.enumerated() {
      let reply = try kernel.call(call.method, call.path, call.members)
      if reply.errno == nil { continue }
      hasFailed = true
      #expect(reply.errno == "ENOMEM", "\(call.path) at step \(step)")
      #expect(kernel.digest == digests[index], "\(call.path) has left something at step \(step)")
      try injectFault(kernel, atStep: nil)
      #expect(try kernel.call(call.method, call.path, call.members).errno == nil)
    }
    try injectFault(kernel, atStep: nil)
    #expect(kernel.digest == digests.last, "step \(step)")
    try kernel.close()
    return hasFailed
  }
}
