// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@testable import ControlPlane
@testable import IOMMUFD

/// An operation of several steps, on a host that was made ready for it.
struct SweptOperation: CustomTestStringConvertible, Sendable {
  let name: String
  let method: HTTPCore.Method
  let path: String
  var body = ""
  /// What takes the ready host there.
  var setUp: [(HTTPCore.Method, String, String)] = []
  var policy = ObjectCore.PinPolicy.design

  var testDescription: String { name }
}

/// Each operation fails at its first step, at its second, and so on until it succeeds.
@Suite struct FaultSweepTests {
  /// Bounds the sweep: no operation below takes this many steps.
  private static let stepLimit = 500

  @Test(arguments: SweptOperation.all)
  func failureAtAnyStepLeavesHostAndLogAsTheyWere(_ operation: SweptOperation) throws {
    let world = try readyWorld(operation)
    let host = try world.host("t")
    let before = HostImage.of(host)
    let latest = host.log.extent.latest
    var failures = 0
    for step in 1...FaultSweepTests.stepLimit {
      try host.read { $0.core.injectFault(atStep: step) }
      let answer = try world.send(operation.method, operation.path, operation.body)
      if answer.status < 400 { break }
      failures += 1
      try #require(answer.text.contains("a fault was injected"), "step \(step): \(answer.text)")
      try #require(HostImage.of(host) == before, "step \(step) has left something")
      #expect(host.log.extent.latest == latest, "step \(step) has left events")
      #expect(HostInvariants.violations(of: host) == [])
    }
    try host.read { $0.core.injectFault(atStep: nil) }
    #expect(failures > 0 && failures < FaultSweepTests.stepLimit)
    // What succeeded in the end is what succeeds on a host where nothing ever failed.
    let other = try readyWorld(operation)
    try other.send(operation.method, operation.path, operation.body)
    #expect(HostImage.of(host) == HostImage.of(try other.host("t")))
    #expect(world.log(of: host) == other.log(of: try other.host("t")))
  }

  /// A host `t` with a virtual machine: device, mapping, nesting parent, vIOMMU, vdev, queues.
  private func readyWorld(_ operation: SweptOperation) throws -> TestHost {
    let world = try TestHost()
    let policy = operation.policy.rawValue
    try world.send(.post, "/v1/hosts", "{\"id\":\"t\",\"pin_policy\":\"\(policy)\"}")
    for (method, path, body) in SweptOperation.machine + operation.setUp {
      let answer = try world.send(method, path, body)
      try #require(answer.status < 300, "\(path): \(answer.text)")
    }
    return world
  }
}
