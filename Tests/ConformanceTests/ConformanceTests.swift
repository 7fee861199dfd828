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

  /// The differences by which the design's pins show, in the order of the files. They are what
  /// `viommu-conform --pin-policy design --list-differences Tests/Conformance` prints.
  static var ofDesign: [Substring] {
    get throws {
      let path = folder.appending(path: "design-differences.txt")
      return try String(contentsOf: path, encoding: .utf8).split(separator: "\n")
    }
  }

  /// The trace of a line of that list.
  static func trace(_ line: Substring) -> Substring { line.prefix { $0 != "#" } }
}

/// What Linux's kernels answered, and what is answered here.
@Suite struct ConformanceTests {
  @Test func `the traces are there`() throws {
    let counts = try Traces.names.map { try Traces.traces($0).count }
    #expect(counts.count == 211)
    #expect(counts.reduce(0, +) == 1055)
  }

  @Test(arguments: Traces.names)
  func `with Linux's pins every operation answers as the kernel did`(name: String) throws {
    let player = TracePlayer(try InProcessTransport(), pinPolicy: .linux)
    let differences = try Traces.traces(name).compactMap { try player.play($0).difference }
    for difference in differences.prefix(5) { Issue.record("\(difference)") }
    #expect(differences.count == 0)
  }

  /// In the design a vdev is pinned by the attachment of its device, and a refused unmap changes
  /// nothing.
  @Test(arguments: Traces.names)
  func `with the design's pins only what the design says differs`(name: String) throws {
    let player = TracePlayer(try InProcessTransport(), pinPolicy: .design)
    let traces = try Traces.traces(name)
    var lines: [String] = []
    for trace in traces {
      guard let difference = try player.play(trace).difference else { continue }
      lines.append(difference.line)
      let isOfDesign = isKeptVDev(difference) || isWholeUnmap(difference, trace)
      #expect(isOfDesign, "\(difference)")
    }
    let names = Set(traces.map(\.name))
    let known = try Traces.ofDesign.filter { names.contains(String(Traces.trace($0))) }
    #expect(lines == known.map(String.init))
  }

  @Test func `every difference that is known is one of a trace`() throws {
    let names = Set(try Traces.names.flatMap { try Traces.traces($0) }.map(\.name))
    let known = try Traces.ofDesign.map(Traces.trace)
    #expect(known.allSatisfy { names.contains(String($0)) })
    #expect(Set(known).count == known.count)
    #expect(known.count > 100)
  }

  /// The user destroys a vdev, and the attachment of its device is against it.
  private func isKeptVDev(_ difference: Difference) -> Bool {
    guard difference.operation.name == "destroy", let state = difference.states.first else {
      return false
    }
    return difference.operation.errno == nil && difference.got == "EBUSY"
      && state.path.hasPrefix("/vdevs/")
      && state.json.contains(#""held_by":[{"kind":"device""#)
  }

  /// Something is still mapped, or is gone all at once, that Linux had unmapped half before.
  private func isWholeUnmap(_ difference: Difference, _ trace: Trace) -> Bool {
    let unmaps = ["ioas_unmap", "ioas_unmap_all"]
    let users = unmaps + ["ioas_map", "hw_queue_alloc"]
    return users.contains(difference.operation.name)
      && trace.operations.contains {
        $0.index < difference.operation.index && unmaps.contains($0.name)
          && ["EBUSY", "ENOENT"].contains($0.errno)
      }
  }
}
