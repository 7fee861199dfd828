// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Conformance

/// How a trace is played, and where it ends.
@Suite struct PlayerTests {
  private func play(
    _ trace: Trace, _ server: FakeServer = FakeServer(), keepsHosts: Bool = false
  ) throws -> TraceResult {
    try TracePlayer(server, keepsHosts: keepsHosts).play(trace)
  }

  @Test func `a trace has a host of its own, which is gone behind it`() throws {
    let server = FakeServer()
    let result = try play(Trace(["ioas_alloc a", "ioas_alloc b"]), server)
    guard case .agreed = result.ending else { return #expect(Bool(false), "\(result)") }
    #expect(result.compared == 2)
    #expect((server.hostsMade, server.hostsDeleted) == (1, 1))
    let kept = try play(Trace(["ioas_alloc a"]), server, keepsHosts: true)
    #expect(kept.host == "h1")
    #expect((server.hostsMade, server.hostsDeleted) == (2, 1))
  }

  @Test func `a trace ends at its first difference, which tells all there is to it`() throws {
    let server = FakeServer()
    server.errnos["DELETE /ioas/a"] = "EBUSY"
    server.answers["GET /ioas/a"] = #"{"kind":"ioas","object_id":1}"#
    let result = try play(Trace(["ioas_alloc a", "destroy a", "ioas_alloc b"]), server)
    let difference = try #require(result.difference)
    #expect(difference.line == "t#1 destroy a expected success got EBUSY")
    #expect(difference.detail == "so")
    #expect(difference.exchanges.first?.request.path == "/v1/hosts/h1/ioas/a")
    #expect(difference.states.map(\.json) == [#"{"object_id":1}"#])
    #expect((result.compared, result.notCompared) == (1, 2))
    #expect(
      !server.requests.contains {
        $0.body.map { String(decoding: $0, as: UTF8.self) }?
          .contains(#""b""#) == true
      })
    #expect("\(difference)".contains("because:  so"))
  }

  @Test(
    arguments: [
      ("no_such_thing a", "the operation `no_such_thing` is not known"),
      ("ioas_alloc a colour=red", "`ioas_alloc` has arguments that are not known: `colour`"),
      ("ioas_alloc", "the operation has no argument `name`"),
      ("ioas_alloc a flags=blue", "`flags=blue` is no number"),
      ("ioas_map a flags=blue", "`flags=blue` has a flag that nobody knows"),
      ("ioas_unmap a length=long", "`length=long` is no number"),
      ("poll a", "`a` has no file"),
    ])
  func `what the runner does not know is said and not skipped`(
    script: String, reason: String
  ) throws {
    let difference = try #require(try play(Trace([script])).difference)
    #expect(difference.got.hasPrefix("unplayable"))
    #expect(difference.detail == reason)
  }

  @Test func `a field of an answer that nobody gives is a difference`() throws {
    let operation = TraceOperation(script: "ioas_alloc a", fields: ["colour": .text("red")])
    let trace = Trace(name: "t", kernel: "", operations: [operation])
    let difference = try #require(try play(trace).difference)
    #expect(difference.expected == "success colour=red")
    #expect(difference.got == "success colour=nothing")
  }

  @Test func `an errno behind a mistake of the request is no answer of a kernel`() throws {
    let reply = { (code: String) in
      Reply(
        APIAnswer(
          status: 422, body: Array(#"{"code":"\#(code)","errno":"EINVAL","detail":"x"}"#.utf8)))
    }
    #expect(reply("invalid_field").refusal?.errno == "EINVAL")
    #expect(reply("unknown_field").refusal?.errno == "422 unknown_field")
    #expect(reply("unknown_field").refusal(trusting: ["unknown_field"])?.errno == "EINVAL")
    #expect(Reply(APIAnswer(status: 204, body: [])).refusal == nil)
    #expect(
      Reply(APIAnswer(status: 502, body: [])).refusal?.errno == "502 no problem document")
  }

  @Test func `an automatic domain goes by the name that the trace has for it`() throws {
    // The server has forgotten it by the time that one looks around.
    let made = TraceOperation(
      script: "create_mock_domain dev0 pt=a", index: 1,
      fields: [
        "hwpt": .text("auto7"), "new_auto": .bool(true), "auto_destroyed": .list([.text("auto7")]),
      ])
    let trace = Trace(
      name: "t", kernel: "", operations: [TraceOperation(script: "ioas_alloc a"), made])
    #expect(try play(trace).difference == nil)
  }

  @Test func `what the driving program refused is not asked`() throws {
    let server = FakeServer()
    let trace = Trace(
      name: "t", kernel: "",
      operations: [
        TraceOperation(script: "read_fault f0", errno: "_NOFD"),
        TraceOperation(script: "ioas_alloc a", index: 1),
      ])
    let result = try play(trace, server)
    #expect((result.compared, result.notCompared) == (1, 1))
    #expect(server.requests.map(\.path) == ["/ioas"])
  }

  @Test func `fields in no particular order are compared as such, and absent ones as empty`() {
    let operation = TraceOperation(
      script: "destroy_device d", fields: ["vdev_gone": .list([.text("b"), .text("a")])])
    let outcome = { (names: [String]) in Outcome(fields: ["vdev_gone": .names(names)]) }
    #expect(Comparison.difference(operation, outcome(["a", "b"])) == nil)
    #expect(
      Comparison.difference(operation, outcome(["a"]))! == (
        "success vdev_gone=[b a]", "success vdev_gone=[a]"
      ))
    let quiet = TraceOperation(script: "destroy_device d")
    #expect(Comparison.difference(quiet, outcome([])) == nil)
    #expect(Comparison.difference(quiet, outcome(["a"])) != nil)
    #expect(Comparison.difference(quiet, Outcome(fields: ["new_auto": .bool(true)])) != nil)
  }
}
