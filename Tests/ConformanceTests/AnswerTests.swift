// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Conformance

/// What is read out of answers.
@Suite struct AnswerTests {
  private static let setup = [
    "ioas_alloc ioas0", "create_mock_domain dev0 pt=ioas0",
    "hwpt_alloc hp dev=dev0 pt=ioas0 flags=nest_parent", "viommu_alloc v0 dev=dev0 hwpt=hp",
    "fault_alloc f0", "veventq_alloc e0 viommu=v0", "hwpt_alloc n0 dev=dev0 pt=v0 data=selftest",
    "access_create a0 ioas=ioas0",
  ]

  private func outcome(of script: String, _ answers: [String: String]) throws -> Outcome {
    let server = FakeServer()
    let stage = Stage(HostClient(id: "h1", server))
    var outcome = Outcome.success
    for script in AnswerTests.setup + [script] {
      if script == AnswerTests.setup.last { server.answers = answers }
      let operation = TraceOperation(script: script)
      outcome = try OperationRegistry.definition(of: operation).play(stage, Arguments(operation))
    }
    return outcome
  }

  private func outcome(of script: String, _ path: String, _ answer: String) throws -> Outcome {
    try outcome(of: script, [path: answer])
  }

  @Test func `events have a sequence, flags and a virtual ID, or are lost`() throws {
    let answer = #"""
      {"items":[{"sequence":0,"lost_events":false,"data":["0x99"]},
                {"sequence":2,"lost_events":true,"data":[]}],"bytes":20}
      """#
    let outcome = try outcome(
      of: "read_veventq e0 count=24", "GET /veventqs/e0/events?count=24", answer)
    #expect(outcome.fields["bytes"] == .number(20))
    #expect(
      outcome.fields["events"]
        == .list([
          .record(["seq": .number(0), "flags": .number(0), "virt_id": .number(0x99)]),
          .record(["seq": .number(2), "flags": .number(1), "lost": .bool(true)]),
        ]))
  }

  @Test func `faults are records, however they are grouped`() throws {
    let fault = #"{"device":"dev0","device_id":2,"group":3,"address":"0xdeadbeaf","#
    let answer = #"""
      {"items":[{"cookie":1,"faults":[
        \#(fault)"pasid":7,"read":true,"write":true,"execute":false,"privileged":false,"last":false},
        \#(fault)"pasid":null,"read":false,"write":false,"execute":true,"privileged":true,"last":true}
      ]}],"bytes":80}
      """#
    let outcome = try outcome(
      of: "read_fault f0 count=80", "GET /fault-queues/f0/faults?count=80", answer)
    let record = { (pasid: UInt64, flags: UInt64, permissions: UInt64) in
      TraceValue.record([
        "dev": .text("dev0"), "pasid": .number(pasid), "grpid": .number(3),
        "addr": .number(0xdead_beaf), "flags": .number(flags), "perm": .number(permissions),
        "cookie": .number(1), "length": .number(0),
      ])
    }
    #expect(outcome.fields["faults"] == .list([record(7, 1, 3), record(0, 2, 12)]))
  }

  @Test(
    arguments: [
      ("check_cache dev=dev0 id=0", "GET /devices/dev0", "cache", nil),
      ("check_cache dev=dev0 id=3 val=0", "GET /devices/dev0", "cache", "EINVAL"),
      ("check_cache dev=dev0 id=4", "GET /devices/dev0", "cache", "EINVAL"),
      ("check_iotlb n0 id=1 val=0xbaddad", "GET /domains/n0", "iotlb", nil),
      ("check_iotlb n0 id=1", "GET /domains/n0", "iotlb", "EINVAL"),
    ] as [(String, String, String, String?)])
  func `a cache is checked word by word`(
    script: String, path: String, name: String, errno: String?
  ) throws {
    let words = #"["0xbaddad","0xbaddad","0xbaddad","0xbaddad"]"#
    let answer = #"{"type":"nested","hardware":{"\#(name)":\#(words)}}"#
    #expect(try outcome(of: script, path, answer).errno == errno)
  }

  @Test func `only a nested domain has a cache`() throws {
    let outcome = try outcome(of: "check_iotlb hp", "GET /domains/hp", #"{"type":"paging"}"#)
    #expect(outcome.errno == "ENOENT")
  }

  @Test(
    arguments: [
      ("iova=0x1000 length=0x1000", true), ("iova=0x1000 length=0x3000", true),
      ("iova=0x1800 length=0x800", true), ("iova=0x1000 length=0x4000", false),
      ("iova=0x0 length=0x1000", false), ("iova=0x5000 length=0x1000", true),
    ])
  func `a domain translates what its address space maps in one piece`(
    range: String, isMapped: Bool
  ) throws {
    let area = { (iova: String, length: String, physical: String) in
      #"{"iova":"\#(iova)","length":"\#(length)","physical":"\#(physical)"}"#
    }
    let areas = [
      area("0x1000", "0x1000", "0x81000"), area("0x2000", "0x2000", "0x82000"),
      area("0x4000", "0x1000", "0x90000"), area("0x5000", "0x1000", "0x85000"),
    ].joined(separator: ",")
    let outcome = try outcome(
      of: "check_map hp \(range)",
      [
        "GET /domains/hp": #"{"ioas":"ioas0"}"#,
        "GET /ioas/ioas0/mappings?limit=1000": #"{"items":[\#(areas)]}"#,
      ])
    #expect((outcome.errno == nil) == isMapped)
  }

  @Test func `an event that is only logged is a failed trigger`() throws {
    let path = "POST /devices/dev0/hardware-events"
    let logged = #"{"disposition":"logged","errno":"EOPNOTSUPP"}"#
    let forwarded = #"{"disposition":"forwarded"}"#
    #expect(try outcome(of: "trigger_vevent dev=dev0", path, logged).errno == "EOPNOTSUPP")
    #expect(try outcome(of: "trigger_vevent dev=dev0", path, forwarded).errno == nil)
  }

  @Test func `what a command writes back is read where the ABI has it`() throws {
    let path = "POST /contexts/default/ioctl"
    let option = "1800000000000000" + "0100000000000000" + "2a00000000000000"
    #expect(
      try outcome(of: "option opt=rlimit", path, #"{"argument":"\#(option)"}"#).fields["val"]
        == .number(42))
    let count = "20000000040000000000010000000000" + "efbeadde0c0000000200000000000000"
    #expect(
      try outcome(of: "viommu_invalidate v0 entries=0:1:2", path, #"{"argument":"\#(count)"}"#)
        .fields["done"] == .number(2))
    let info =
      "28000000000000000200000008000000" + "0000010000000000" + "efbeedfe14000000"
      + "0900000000000000"
    let memory = #"[{"address":"0x10000","bytes":"00000000efbeadde"}]"#
    let outcome = try outcome(
      of: "hw_info dev=dev0", path, #"{"argument":"\#(info)","memory":\#(memory)}"#)
    #expect(outcome.fields["type"] == .number(0xfeed_beef))
    #expect(outcome.fields["reg"] == .number(0xdead_beef))
    #expect(outcome.fields["max_pasid_log2"] == .number(20))
    #expect(outcome.fields["caps"] == .number(9))
  }

  @Test func `how many entries were handled is known of a refusal too`() throws {
    let reply = Reply(
      APIAnswer(
        status: 422,
        body: Array(
          #"{"code":"rejected","errno":"EINVAL","argument":"20000000"}"#.utf8)))
    #expect(IOCTLAnswer(reply).argument == [0x20, 0, 0, 0])
    #expect(IOCTLAnswer(reply).outcome.errno == "EINVAL")
  }

  @Test func `accesses and mapped regions are known by number`() throws {
    #expect(
      try outcome(of: "access_pages a0 iova=0x1000", "POST /accesses/a0/pins", #"{"pin":3}"#)
        .fields["item"] == .number(3))
    let outcome = try outcome(
      of: "mmap v0",
      [
        "POST /contexts/default/mmaps": #"{"mmap":1}"#,
        "GET /contexts/default/mmaps/1/0x0?width=32": #"{"value":"0xbeef"}"#,
      ])
    #expect(outcome.fields["value"] == .number(0xbeef))
  }
}
