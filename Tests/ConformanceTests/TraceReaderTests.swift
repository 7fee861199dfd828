// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Conformance

/// Reading traces.
@Suite struct TraceReaderTests {
  private static let scenario = """
    {"name":"a01","description":"…","kernel":"7.3 (stock source)","kernel_warnings":4,
     "input":["ioas_alloc ioas0"],
     "output":[
      {"i":0,"op":"ioas_alloc","args":{"name":"ioas0"},"rc":0},
      {"i":1,"op":"destroy","args":{"name":"#0x7"},"rc":-1,"errno":"ENOENT","nonexistent":["x"]}]}
    """

  @Test func `a scenario is one document`() throws {
    let trace = try TraceReader.document(Array(TraceReaderTests.scenario.utf8))
    #expect(trace.name == "a01")
    #expect(trace.isOfStockKernel)
    #expect(trace.kernelWarnings == 4)
    #expect(trace.operations.map(\.script) == ["ioas_alloc ioas0", "destroy #0x7"])
    #expect(trace.operations.map(\.errno) == [nil, "ENOENT"])
    #expect(trace.operations[1].fields.isEmpty)
  }

  @Test func `random traces come one a line, without the places of their operations`() throws {
    let line = #"{"trace":"r1","kernel":"patched","kernel_warnings":0,"ops":"#
    let ops = #"[{"op":"poll","args":{"name":"e0"},"rc":0,"in":true,"out":false}]}"#
    let text = line + ops + "\n\n" + line + "[]}\n"
    let traces = try TraceReader.lines(Array(text.utf8))
    #expect(traces.map(\.name) == ["r1", "r1"])
    #expect(!traces[0].isOfStockKernel)
    #expect(traces[0].operations[0].index == 0)
    #expect(traces[0].operations[0].fields == ["in": .bool(true), "out": .bool(false)])
  }

  @Test func `an answer's numbers are numbers however they are spelled`() throws {
    let text = #"{"name":"n","ops":[{"op":"o","rc":0,"a":16,"b":"0x10","c":[["x",1]],"d":null}]}"#
    let fields = try TraceReader.document(Array(text.utf8)).operations[0].fields
    #expect(fields["a"] == .number(16))
    #expect(fields["b"] == .number(16))
    #expect(fields["c"] == .list([.list([.text("x"), .number(1)])]))
    #expect(fields["d"] == .null)
  }

  @Test(
    arguments: [
      ("{", 1), ("{\"name\":\"x\",\n\"output\":[1,]}", 2), ("[]", 1), ("{\"ops\":[]}", 1),
      ("{\"name\":\"x\"}", 1), ("{\"name\":\"x\",\"ops\":{}}", 1),
      ("{\"name\":\"x\",\"ops\":[\n{\"op\":\"a\",\"rc\":0},\n{\"rc\":0}]}", 3),
      ("{\"name\":\"x\",\"ops\":[\n\n{\"op\":\"a\",\"rc\":1}]}", 3),
      ("{\"name\":\"x\",\"ops\":[{\"op\":\"a\",\"rc\":0,\"errno\":\"EIO\"}]}", 1),
      ("{\"name\":\"x\",\"ops\":[{\"op\":\"a\",\"rc\":-1}]}", 1),
      ("{\"name\":\"x\",\"ops\":[{\"op\":\"a\",\"rc\":0,\"args\":[]}]}", 1),
    ])
  func `a malformed trace is refused with its line`(text: String, line: Int) {
    let failure = #expect(throws: TraceReader.Failure.self) {
      try TraceReader.document(Array(text.utf8))
    }
    #expect(failure?.line == line)
  }

  @Test func `the line of a random trace is the file's`() {
    let failure = #expect(throws: TraceReader.Failure.self) {
      try TraceReader.lines(Array("{\"trace\":\"x\",\"ops\":[]}\n\n{\"trace\":1}".utf8))
    }
    #expect(failure?.line == 3)
  }

  // MARK: Files

  @Test func `a directory stands for the traces in and below it, by name`() throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "conformance-\(ProcessInfo.processInfo.processIdentifier)")
    let inner = folder.appending(path: "b")
    try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let text = "{\"name\":\"x\",\"ops\":[]}"
    for name in ["b/two.json", "a.jsonl", "notes.md"] {
      try Data(text.utf8).write(to: folder.appending(path: name))
    }
    let paths = try TraceFile.paths(at: folder.path)
    #expect(paths.map { $0.dropFirst(folder.path.count + 1) } == ["a.jsonl", "b/two.json"])
    for path in paths { #expect(try TraceFile(path: path).traces.count == 1) }
    #expect(try TraceFile.paths(at: paths[0]) == [paths[0]])
    #expect(throws: TraceFile.Failure.self) { try TraceFile.paths(at: folder.path + "/none") }
    #expect(throws: TraceFile.Failure.self) {
      try TraceFile(path: folder.appending(path: "notes.txt").path)
    }
  }
}
