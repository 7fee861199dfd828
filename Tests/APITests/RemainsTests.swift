// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import HTTPCore
import IOMMUFD
import Locking
import SMMUDriver
import Testing

/// A kind of SMMU that remembers the machines which it was made on, without holding them.
private struct RememberingModel: SMMUModel {
  /// The machines of a test.
  final class Machines: Sendable {
    struct Seen {
      weak var machine: (any Machine)?
    }

    private let seen = Locked<[Seen]>([])

    func note(_ machine: any Machine) {
      seen.withLock { $0.append(Seen(machine: machine)) }
    }

    var seenCount: Int { seen.withLock { $0.count } }
    var liveCount: Int { seen.withLock { $0.filter { $0.machine != nil }.count } }
  }

  let model: any SMMUModel
  let machines: Machines

  var name: String { model.name }
  var features: [SMMUFeature] { model.features }
  var usualSettings: SMMUSettings { model.usualSettings }

  func makeDriver(
    _ settings: SMMUSettings, named smmu: String, on machine: any Machine,
    in transaction: Transaction
  ) throws(IOMMUFD.Refusal) -> any IOMMUDriver {
    machines.note(machine)
    return try model.makeDriver(settings, named: smmu, on: machine, in: transaction)
  }
}

/// Whatever an SMMU is part of holds its host's machine. So if the machine is gone once the host
/// is, no part of any SMMU that was tried out, refused or deleted on it was left.
@Suite struct RemainsTests {
  private static let bare = #"{"driver":"arm-smmuv3-bare"}"#
  private static let driven =
    #"{"cmdqv":{"vintfs":4,"vcmdqs":8,"sids_per_vintf":4}}"#

  private struct Step {
    let method: String
    let path: String
    let body: String?
    let status: Int

    init(_ method: String, _ path: String, _ body: String? = nil, is status: Int) {
      self.method = method
      self.path = path
      self.body = body
      self.status = status
    }
  }

  private static let failingBatch =
    #"{"operations":[{"method":"PUT","path":"/v1/hosts/h/smmus/s","body":\#(bare)},"#
    + #"{"method":"PUT","path":"/v1/hosts/h/smmus/t","body":\#(driven)},"#
    + #"{"method":"DELETE","path":"/v1/hosts/h/smmus/none"}]}"#

  /// What is done to a host before it goes.
  private static let lives: [[Step]] = [
    [],
    [
      Step("PUT", "/smmus/s?dry_run=true", bare, is: 201),
      Step("PUT", "/smmus/s?dry_run=true", driven, is: 201),
    ],
    [Step("PUT", "/smmus/s", bare, is: 201), Step("DELETE", "/smmus/s", is: 200)],
    [Step("PUT", "/smmus/s", driven, is: 201), Step("DELETE", "/smmus/s", is: 200)],
    [Step("POST", "/batch", failingBatch, is: 404)],
    [
      Step("POST", "/devices", #"{"id":"d","smmu":"smmu0","stream_id":1}"#, is: 201),
      Step("PUT", "/smmus/s", bare, is: 201),
      Step("POST", "/devices", #"{"id":"e","smmu":"s","stream_id":1}"#, is: 201),
    ],
    [Step("POST", "/reset", is: 200)],
  ]

  private func api(_ machines: RememberingModel.Machines) throws -> API {
    let models: [any SMMUModel] = [SMMUv3Model(), BareSMMUv3Model()]
    return try API(.inProcess) { configuration in
      configuration.models = models.map { RememberingModel(model: $0, machines: machines) }
    }
  }

  @Test(arguments: lives.indices)
  func aHostThatIsDeletedLeavesNothing(_ life: Int) throws {
    let machines = RememberingModel.Machines()
    let api = try api(machines)
    let before = machines.liveCount
    #expect(try api.post("/v1/hosts", #"{"id":"h"}"#).status == 201)
    #expect(machines.liveCount > before)
    for step in RemainsTests.lives[life] {
      let answer = try api.send(step.method, "/v1/hosts/h" + step.path, step.body)
      #expect(answer.status == step.status, "\(step.method) \(step.path): \(answer.text)")
    }
    #expect(try api.delete("/v1/hosts/h").status == 200)
    #expect(machines.liveCount == before)
  }

  @Test func aHostThatIsOnlyTriedOutLeavesNothing() throws {
    let machines = RememberingModel.Machines()
    let api = try api(machines)
    let (seen, live) = (machines.seenCount, machines.liveCount)
    let host = #"{"id":"h","smmus":[{"id":"a"},{"id":"b","driver":"arm-smmuv3-bare"}]}"#
    #expect(try api.post("/v1/hosts?dry_run=true", host).status == 201)
    // One that is refused after its SMMUs were made.
    let wrong = #"{"id":"h","devices":[{"id":"d","smmu":"none","stream_id":1}]}"#
    #expect(try api.post("/v1/hosts", wrong).status == 422)
    #expect(machines.seenCount >= seen + 2)
    #expect(machines.liveCount == live)
  }
}
