// SPDX-License-Identifier: Apache-2.0
import Conformance
import Foundation
import Testing

/// Where the traces are.
private enum Traces {
  static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Conformance")

  /// The files with traces, from the folder.
  static let names: [String] =
    ((try? TraceFile.paths(at: folder.path)) ?? []).map {
      String($0.dropFirst(folder.path.count + 1))
    }

  static func traces(_ name: String) throws -> [Trace] {
    try TraceFile(path: folder.appending(path: name).path).traces
  }

  /// The first differences of a file's traces, each on a host of a fresh control plane.
  static func differences(
    _ name: String, _ policy: TracePlayer.PinPolicy
  ) throws -> [Difference] {
    let player = TracePlayer(try InProcessTransport(), pinPolicy: policy)
    return try traces(name).compactMap { try player.play($0).difference }
  }
}

/// What Linux's kernels answered, and what is answered here.
@Suite struct ConformanceTests {
  @Test func `the traces are there`() throws {
    let counts = try Traces.names.map { try Traces.traces($0).count }
    #expect(counts.count == 211)
    #expect(counts.reduce(0, +) == 1055)
  }

  @Test(arguments: Traces.names)
  func `with Linux's pins everything answers as the kernel did`(name: String) throws {
    let differences = try Traces.differences(name, .linux)
    for difference in differences.prefix(5) { Issue.record("\(difference)") }
    #expect(differences.count == 0)
  }

  /// The design of which a vdev is pinned by the attachment of its device.
  @Test func `with the design's pins only these differ, and by the design's pins`() throws {
    let differences = try Traces.names.flatMap { try Traces.differences($0, .design) }
    for difference in differences where !isOfDesign(difference) {
      Issue.record("\(difference)")
    }
    let known = try String(
      contentsOf: Traces.folder.appending(path: "design-differences.txt"), encoding: .utf8)
    #expect(differences.map(\.line) == known.split(separator: "\n").map(String.init))
  }

  /// Whether it is a vdev that its attached device keeps, or a device that its owner may let go.
  private func isOfDesign(_ difference: Difference) -> Bool {
    guard difference.operation.name == "destroy", let state = difference.states.first else {
      return false
    }
    if state.path.hasPrefix("/vdevs/") {
      return difference.operation.errno == nil && difference.got == "EBUSY"
        && state.json.contains(#""held_by":[{"kind":"device""#)
    }
    return state.path.hasPrefix("/devices/") && difference.operation.errno == "EBUSY"
      && difference.got == "success"
  }
}
