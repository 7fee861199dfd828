// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@testable import ControlPlane
@testable import IOMMUFD

@Suite struct HostLifeTests {
  /// Objects of a host that must not outlive it.
  private struct Witnesses {
    weak var core: ObjectCore?
    weak var device: Object?
    weak var viommu: Object?
    weak var context: Object?

    init(_ host: Host) throws {
      var found: (ObjectCore, Object?, Object?, Object?)?
      try host.read { state in
        found = (
          state.core, state.core.object(.device, "d0"), state.core.object(.viommu, "v0"),
          state.core.object(.context, defaultContext)
        )
      }
      (core, device, viommu, context) = (found?.0, found?.1, found?.2, found?.3)
    }

    var isGone: Bool { core == nil && device == nil && viommu == nil && context == nil }
    var isThere: Bool { core != nil && device != nil && viommu != nil && context != nil }
  }

  private func busyWorld() throws -> TestHost {
    let world = try TestHost()
    try world.send(.post, "/v1/hosts", #"{"id":"t"}"#)
    for (method, path, body) in SweptOperation.machine {
      #expect(try world.send(method, path, body).status < 300)
    }
    try world.send(.put, "/v1/hosts/t/devices/d0/attachment", #"{"domain":"n0"}"#)
    return world
  }

  @Test func deletedHostLeavesNoObjectInMemory() throws {
    let world = try busyWorld()
    let witnesses = try Witnesses(try world.host("t"))
    #expect(witnesses.isThere)
    #expect(try world.send(.delete, "/v1/hosts/t").status == 200)
    #expect(witnesses.isGone)
  }

  @Test func resetHostLeavesNoOldObjectInMemory() throws {
    let world = try busyWorld()
    let witnesses = try Witnesses(try world.host("t"))
    #expect(witnesses.isThere)
    #expect(try world.send(.post, "/v1/hosts/t/reset").status == 200)
    #expect(witnesses.isGone)
  }

  @Test func streamOfBeforeAResetLeavesTheNewObjectsAlone() throws {
    let world = try busyWorld()
    let stream = try #require(
      try world.send(.get, "/v1/hosts/t/veventqs/e0/events?follow=true").stream)
    try world.send(.post, "/v1/hosts/t/reset")
    let image = HostImage.of(try world.host("t"))
    stream.closed()
    #expect(HostImage.of(try world.host("t")) == image)
  }

  @Test func requestToAHostThatIsGoneIsRefusedEvenIfItCameBefore() throws {
    let world = try busyWorld()
    let host = try world.host("t")
    try world.send(.delete, "/v1/hosts/t")
    // A request that found the host just before it went.
    let key = ObjectKey(.device, "d0")
    let change = Change(operation: .cascade(key, plan: nil, allowMissing: false), subject: nil)
    #expect(host.change(change, Conditions()).status == 404)
  }

  @Test func dryRunOfAResetShowsTheHostAsItWouldBe() throws {
    let world = try busyWorld()
    let said = try world.send(.post, "/v1/hosts/t/reset?dry_run=true")
    #expect(try world.host("t").log.extent.epoch == 1)
    let done = try world.send(.post, "/v1/hosts/t/reset")
    #expect(said.text == done.text)
    #expect(said[.etag] == done[.etag])
    #expect(try world.send(.get, "/v1/hosts/t").text == done.text)
  }

  @Test func hostWithANameOfTheServerIsFoundByPut() throws {
    let world = try TestHost()
    let made = try world.send(.post, "/v1/hosts", "{}")
    let path = try #require(made[.location])
    #expect(try world.send(.put, path, "{}").status == 200)
    #expect(try world.send(.put, path, #"{"pin_policy":"linux"}"#).status == 409)
  }

  @Test(arguments: ["/v1/hosts/t/batch", "/v1/hosts/t/contexts", "/v1/hosts"])
  func refusalUnderAKeyIsRepeatedAndNotTriedAgain(_ path: String) throws {
    let world = try TestHost()
    try world.send(.post, "/v1/hosts", #"{"id":"t"}"#)
    let body =
      path.hasSuffix("batch")
      ? #"{"operations":[{"method":"DELETE","path":"/v1/hosts/t/contexts/c1"}]}"#
      : #"{"id":"\#(path.hasSuffix("hosts") ? "t" : "default")"}"#
    let first = try world.send(.post, path, body, [.idempotencyKey: "k"])
    #expect(first.status >= 400)
    // What stood against it goes away.
    try world.send(.post, "/v1/hosts/t/contexts", #"{"id":"c1"}"#)
    try world.send(.delete, "/v1/hosts/t/contexts/default")
    if path == "/v1/hosts" { try world.send(.delete, "/v1/hosts/t") }
    let second = try world.send(.post, path, body, [.idempotencyKey: "k"])
    #expect(second.status == first.status)
    #expect(second.text == first.text)
    #expect(second[.idempotentReplayed] == "true")
  }

  @Test(arguments: [
    TestRequest(method: .delete, path: "/v1/devices/a/attachment"),
    TestRequest(method: .put, path: "/v1/devices/a/attachment", body: #"{"domain":"other"}"#),
    TestRequest(method: .post, path: "/v1/devices/b/unplug"),
    TestRequest(method: .delete, path: "/v1/devices/b"),
  ])
  func faultsOfADeviceGoWithTheAttachmentOfItsGroup(_ request: TestRequest) throws {
    let world = try TestHost()
    let domain = #""type":"paging","device":"a","ioas":"i""#
    let steps = [
      ("devices/a", #""smmu":"smmu0","stream_id":1,"group":"g""#),
      ("devices/b", #""smmu":"smmu0","stream_id":2,"group":"g""#), ("ioas/i", ""),
      ("fault-queues/f", ""), ("domains/p", domain + #","fault_queue":"f""#),
      ("domains/other", domain), ("devices/a/attachment", #""domain":"p""#),
    ]
    for (path, members) in steps {
      #expect(try world.send(.put, "/v1/\(path)", "{\(members)}").status < 300)
    }
    // A translation fault of b that stalls: its traffic goes where its group is attached.
    let raised = try world.send(
      .post, "/v1/devices/b/hardware-events", #"{"record":["0x10","0x80000000","0x1000",0]}"#)
    #expect(try raised.json("disposition")?.string == "faulted")
    #expect(try world.send(.get, "/v1/fault-queues/f").json("pending")?.quantity == 1)
    #expect(try world.send(request).status == 200)
    #expect(try world.send(.get, "/v1/fault-queues/f").json("pending")?.quantity == 0)
  }

  @Test func oneBatchAnswersAPageFaultOnce() throws {
    let world = try busyWorld()
    try world.send(
      .post, "/v1/hosts/t/devices/d0/page-requests", #"{"pages":[{"address":"0x1000"}]}"#)
    try world.send(.get, "/v1/hosts/t/fault-queues/f0/faults")
    let respond = #"""
      {"method":"POST","path":"/v1/hosts/t/fault-queues/f0/responses",
      "body":{"responses":[{"cookie":1,"code":"success"}]}}
      """#
    let twice = try world.send(
      .post, "/v1/hosts/t/batch", "{\"operations\":[\(respond),\(respond)]}")
    #expect(twice.status == 422)
    let once = try world.send(.post, "/v1/hosts/t/batch", "{\"operations\":[\(respond)]}")
    #expect(once.status == 200)
    let queue = try world.send(.get, "/v1/hosts/t/fault-queues/f0")
    #expect(try queue.json("unanswered")?.quantity == 0)
  }

  @Test func accessesLetGoInTheOrderOfTheirNames() throws {
    let world = try TestHost()
    for name in ["b", "a", "c"] {
      try world.send(.put, "/v1/ioas/i", "{}")
      try world.send(.post, "/v1/accesses", "{\"id\":\"\(name)\",\"ioas\":\"i\"}")
    }
    try world.send(.post, "/v1/ioas/i/map", #"{"iova":"0x1000","length":"0x1000"}"#)
    for name in ["c", "b", "a"] {
      try world.send(
        .post, "/v1/accesses/\(name)/pins", #"{"iova":"0x1000","length":"0x1000"}"#)
    }
    try world.send(.post, "/v1/ioas/i/unmap", #"{"iova":"0x1000","length":"0x1000"}"#)
    let names = try world.log(of: try world.host()).split(separator: "\n").compactMap { line in
      let event = try JSONParser.parse(Array(line.utf8)).root
      let isUpdate = event.member("type")?.string == "access.updated"
      return isUpdate ? event.member("object")?.member("id")?.string : nil
    }
    // They have pinned in one order, were made in another, and let go in this one.
    #expect(names == ["c", "b", "a", "a", "b", "c"])
  }

  @Test func cascadeThatClosesTheLastFileOfAContextSucceeds() throws {
    let world = try busyWorld()
    let host = "/v1/hosts/t"
    for device in ["d0", "d1", "d2"] { try world.send(.post, "\(host)/devices/\(device)/unplug") }
    try world.send(.delete, "\(host)/fault-queues/f0/file")
    // Its event file keeps the context, and all that is in it.
    try world.send(.delete, "\(host)/contexts/default/file")
    #expect(try world.send(.get, "\(host)/viommus/v0").status == 200)
    let answer = try world.send(.delete, "\(host)/viommus/v0?cascade=true")
    #expect(answer.status == 200, "\(answer.text)")
    #expect(try world.send(.get, "\(host)/contexts/default").status == 404)
    #expect(HostInvariants.violations(of: try world.host("t")) == [])
  }
}
