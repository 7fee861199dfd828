// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import SMMUDriver
import Synchronization
import Testing

@testable import ControlPlane

/// Meant for the thread sanitizer: the host's threads against the hardware's.
@Suite("The hardware reports while the control plane changes")
struct EventRoutingTests {
  /// A plane with two guests between which one device moves.
  private static func twoGuests() throws -> ControlPlane {
    let plane = try ControlPlane(
      .init(models: [SMMUv3Model()], clock: { Timestamp(microseconds: 0) }))
    for (path, body) in [
      ("devices", #"{"id":"d","smmu":"smmu0","stream_id":66}"#), ("ioas", #"{"id":"ram"}"#),
      ("domains", #"{"id":"s2","type":"paging","device":"d","ioas":"ram","nest_parent":true}"#),
      ("viommus", #"{"id":"v1","type":"arm-smmuv3","device":"d","domain":"s2"}"#),
      ("viommus", #"{"id":"v2","type":"arm-smmuv3","device":"d","domain":"s2"}"#),
      (
        "domains", #"{"id":"n1","type":"nested","device":"d","viommu":"v1","ste":["0x1000000b",0]}"#
      ),
      (
        "domains", #"{"id":"n2","type":"nested","device":"d","viommu":"v2","ste":["0x1000000b",0]}"#
      ),
      ("veventqs", #"{"id":"q1","viommu":"v1","type":"arm-smmuv3","depth":65536}"#),
      ("veventqs", #"{"id":"q2","viommu":"v2","type":"arm-smmuv3","depth":65536}"#),
    ] {
      try #require(plane.send("POST", "/v1/" + path, body) == 201)
    }
    return plane
  }

  private static func handler(_ plane: ControlPlane) throws -> any HardwareEventHandler {
    var handler: (any HardwareEventHandler)?
    try plane.hosts.host("default")?.read { state in
      handler = (state.core.object(.smmu, "smmu0") as? SMMU)?.driver.eventHandler
    }
    return try #require(handler)
  }

  /// The device goes from guest to guest, each time with another virtual ID.
  private static func move(_ plane: ControlPlane, times: Int) -> [Int] {
    var statuses: [Int] = []
    for round in 0..<times {
      let guest = round % 2 + 1
      let vdev = #"{"id":"vd","viommu":"v\#(guest)","device":"d","virt_id":"0x\#(guest)0"}"#
      statuses.append(plane.send("POST", "/v1/vdevs", vdev))
      statuses.append(plane.send("PUT", "/v1/devices/d/attachment", #"{"domain":"n\#(guest)"}"#))
      if round % 3 == 0 {
        statuses.append(plane.send("PUT", "/v1/devices/d/attachment", #"{"domain":"s2"}"#))
      }
      statuses.append(plane.send("DELETE", "/v1/devices/d/attachment", nil))
      statuses.append(plane.send("DELETE", "/v1/vdevs/vd", nil))
    }
    return statuses
  }

  @Test(
    "52. Every event lands with the guest that had the stream, under its virtual ID, or nowhere")
  func routing() async throws {
    let plane = try EventRoutingTests.twoGuests()
    let handler = try EventRoutingTests.handler(plane)
    let moving = Flag()
    let (forwarded, raised) = try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        let statuses = EventRoutingTests.move(plane, times: 400)
        moving.lower()
        #expect(statuses.allSatisfy { $0 < 300 })
      }
      var counts = ["v1": 0, "v2": 0]
      var raised = 0
      while moving.isUp || raised < 1000 {
        raised += 1
        let record = handler.record([0x10, 0, UInt64(raised), 0], from: 66)
        guard case .forwarded(let viommu, let virtualID) = handler.handle(record) else { continue }
        counts[viommu, default: 0] += 1
        #expect(virtualID == (viommu == "v1" ? 0x10 : 0x20))
        if raised % 64 == 0 { await Task.yield() }
      }
      try await group.waitForAll()
      return (counts, raised)
    }
    try EventRoutingTests.check(plane, forwarded, raised)
  }

  /// What was said to be forwarded is what the queues counted, and each record bears the ID of
  /// the queue's guest.
  private static func check(
    _ plane: ControlPlane, _ forwarded: [String: Int], _ raised: Int
  ) throws {
    try plane.hosts.host("default")?.read { state in
      for guest in 1...2 {
        guard let queue = state.core.object(.veventq, "q\(guest)") as? VEventQueue else { continue }
        #expect(Int(queue.fifo.status.nextSequence) == forwarded["v\(guest)"])
        let records = (try? queue.fifo.read(count: 1 << 24)) ?? []
        #expect(
          records.allSatisfy {
            ($0.data?.words[0] ?? 0x10) >> 32 == UInt64(guest) << 4 || $0.isLost
          })
      }
    }
  }

  @Test("Unplugging and plugging in while events flow leaves nobody with a stale stream")
  func unplugging() async throws {
    let plane = try EventRoutingTests.twoGuests()
    let handler = try EventRoutingTests.handler(plane)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for round in 0..<200 {
          let vdev = #"{"viommu":"v1","device":"d","virt_id":\#(round)}"#
          #expect(plane.send("POST", "/v1/vdevs", vdev) == 201)
          #expect(plane.send("PUT", "/v1/devices/d/attachment", #"{"domain":"n1"}"#) == 200)
          #expect(plane.send("POST", "/v1/devices/d/unplug", nil) == 200)
          let device = #"{"id":"d","smmu":"smmu0","stream_id":66}"#
          #expect(plane.send("POST", "/v1/devices", device) == 201)
          #expect(plane.send("DELETE", "/v1/veventqs/q1?cascade=true", nil) == 200)
          let queue = #"{"id":"q1","viommu":"v1","type":"arm-smmuv3","depth":4}"#
          #expect(plane.send("POST", "/v1/veventqs", queue) == 201)
        }
      }
      group.addTask {
        for index in 0..<40_000 {
          _ = handler.handle(handler.record([0x10, 0, UInt64(index), 0], from: 66))
        }
      }
      try await group.waitForAll()
    }
    #expect(handler.handle(handler.record([0x10, 0, 0, 0], from: 66)) == .logged(.EOPNOTSUPP))
    #expect(handler.handle(handler.record([0x10, 0, 0, 0], from: 67)) == .logged(.EINVAL))
  }

  @Test("Clients on several threads and readers of the log see one order")
  func clients() async throws {
    let plane = try ControlPlane(
      .init(models: [SMMUv3Model()], clock: { Timestamp(microseconds: 0) }))
    await withTaskGroup(of: Void.self) { group in
      for client in 0..<3 {
        group.addTask {
          for index in 0..<200 {
            #expect(plane.send("PUT", "/v1/ioas/c\(client)-\(index)", "{}") == 201)
            _ = plane.send("GET", "/v1/ioas?limit=5", nil)
            #expect(plane.send("DELETE", "/v1/ioas/c\(client)-\(index)", nil) == 200)
          }
        }
      }
      group.addTask { EventRoutingTests.read(plane, until: 1202) }
    }
  }

  /// Follows the log as a stream does and checks that no event is missing or twice.
  private static func read(_ plane: ControlPlane, until last: UInt64) {
    guard let log = plane.hosts.host("default")?.log,
      var cursor = log.cursor(after: 0, filter: EventFilter()).cursor
    else { return }
    var bytes: [UInt8] = []
    while cursor.position < last {
      _ = log.read(&cursor, as: .ndjson, into: &bytes, limit: 1 << 14)
    }
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    #expect(lines.count == Int(last))
    for (index, line) in lines.enumerated() {
      #expect(
        String(decoding: line, as: UTF8.self).contains("\"seq\":\(index + 1),\"prev\":\(index),"))
    }
  }
}
