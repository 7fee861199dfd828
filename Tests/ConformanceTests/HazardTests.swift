// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Conformance

/// Where traces are no examples, because of a bug of their kernel.
@Suite struct HazardTests {
  /// An address space, a nesting parent and two vIOMMUs, on a device that is named and not there.
  private static let setup = [
    "ioas_alloc ioas0", "hwpt_alloc hp dev=d pt=ioas0 flags=nest_parent",
    "viommu_alloc v0 dev=d hwpt=hp", "viommu_alloc v1 dev=d hwpt=hp",
    "hw_queue_alloc q0 viommu=v0 index=0", "hw_queue_alloc q1 viommu=v0 index=1",
  ]

  private func ending(
    _ scripts: [String], kernel: String = "stock", kernelWarnings: Int = 0
  ) throws -> TraceResult {
    let trace = Trace(HazardTests.setup + scripts, kernel: kernel, kernelWarnings: kernelWarnings)
    return try TracePlayer(FakeServer()).play(trace)
  }

  private func stop(_ result: TraceResult) -> Int? {
    if case .notCompared(let index, _) = result.ending { index } else { nil }
  }

  @Test func `a stock trace ends where a slot is used that the driver has lost`() throws {
    let lost = ["destroy q1", "ioas_alloc i", "hw_queue_alloc q2 viommu=v0 index=1", "destroy q2"]
    let result = try ending(lost)
    #expect(stop(result) == 8)
    #expect((result.compared, result.notCompared) == (8, 2))
    #expect(stop(try ending(lost, kernel: "7.3.4-oracle-patched (index stored)")) == nil)
  }

  @Test(
    arguments: [
      ["destroy q0", "hw_queue_alloc q2 viommu=v0 index=0"],
      ["destroy q1", "hw_queue_alloc q2 viommu=v1 index=0"],
      ["destroy q1", "destroy v0", "viommu_alloc v0 dev=d hwpt=hp", "hw_queue_alloc q viommu=v0"],
    ])
  func `nothing is lost with other queues, on other vIOMMUs`(scripts: [String]) throws {
    #expect(stop(try ending(scripts)) == nil)
  }

  /// A device with a PASID attached, as the fake server shows it after an attach.
  private static let unplug = [
    "create_mock_domain dev0 pt=ioas0", "pasid_attach dev0 pasid=5 pt=hp",
    "destroy_device dev0 force=1", "ioas_alloc i",
  ]

  private func stopAfterUnplug(_ scripts: [String], kernelWarnings: Int) throws -> String? {
    var trace = Trace(scripts, kernelWarnings: kernelWarnings)
    trace.operations.insert(TraceOperation(script: "ioas_alloc ioas0"), at: 0)
    var hazard = KernelHazard(trace)
    let stage = Stage(HostClient(id: "h1", FakeServer()))
    for operation in trace.operations {
      if let reason = hazard.reason(before: operation, stage.table) {
        return operation.name + ": " + reason
      }
      hazard.note(operation, stage.table)
      _ = try OperationRegistry.definition(of: operation).play(stage, Arguments(operation))
    }
    return nil
  }

  @Test func `a trace ends behind a forced unplug that the kernel warned of`() throws {
    let reason = try #require(try stopAfterUnplug(HazardTests.unplug, kernelWarnings: 4))
    #expect(reason.hasPrefix("ioas_alloc: the kernel warned: dev0"))
    #expect(try stopAfterUnplug(HazardTests.unplug, kernelWarnings: 0) == nil)
    let unforced = HazardTests.unplug.map { $0.replacing(" force=1", with: "") }
    #expect(try stopAfterUnplug(unforced, kernelWarnings: 4) == nil)
  }
}
