// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@testable import ControlPlane

/// Requests from a seed to the hardware of a host with every kind of SMMU, most of them wrong, while
/// devices send traffic.
@Suite struct HardwareFuzzTests {
  /// An SMMU of each kind, the first of which tells what its driver does.
  private static let host = """
    {"id":"t","record_stale_translations":true,"smmus":[\
    {"id":"smmu0","features":{"trace":true}},{"id":"bare0","driver":"arm-smmuv3-bare",\
    "cmdqv":{"vintfs":2,"vcmdqs":4,"sids_per_vintf":2}},\
    {"id":"m0","driver":"mock"}]}
    """

  @Test(arguments: [1, 2, 3] as [UInt64])
  func noRequestToTheHardwareIsTheServersFault(_ seed: UInt64) throws {
    let world = try TestHost()
    try world.send(.post, "/v1/hosts", HardwareFuzzTests.host)
    var generator = RequestGenerator(seed: seed, prefix: "/v1/hosts/t")
    generator.hasThreads = true
    var statuses: [Int: Int] = [:]
    for step in 0..<2500 {
      let request =
        switch step % 4 {
        case 0: generator.next()
        case 1: generator.garbage()
        case 2: generator.hardware()
        default: generator.traffic()
        }
      let answer = try world.send(request)
      answer.stream?.closed()
      statuses[answer.status, default: 0] += 1
      guard answer.status < 500 else {
        Issue.record("\(answer.status) for \(request): \(answer.text)")
        return
      }
      if answer[.contentType]?.hasSuffix("json") ?? false, !answer.bytes.isEmpty {
        #expect((try? JSONParser.parse(answer.bytes)) != nil, "\(request): \(answer.text)")
      }
    }
    // Enough of them got somewhere.
    #expect(statuses[200, default: 0] > 100, "\(statuses)")
    #expect(HostInvariants.violations(of: try world.host("t")) == [])
    #expect(try world.send(.delete, "/v1/hosts/t").status < 300)
  }
}
