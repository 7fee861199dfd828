// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import Locking
import Synchronization
import Testing

@testable import ControlPlane
@testable import SMMUDriver

/// Meant for the thread sanitizer: guests' queues run by themselves, and fail, while the control
/// plane gives their interfaces to others.
@Suite("Guests' queues run while the control plane changes", .serialized)
struct GuestQueueTests {
  private static let host = "/v1/hosts/t"
  private static let rounds = 40

  /// Where the script is, for the guests that follow it.
  private final class Progress: Sendable {
    /// The guest that is there; 0 between two.
    let round = Atomic<Int>(0)
    /// What the guests have done.
    let deeds = Atomic<Int>(0)
    let isOver = Atomic<Bool>(false)
  }

  /// The queue of a guest that posts what it may not; the other one's are all good.
  private static func badQueue(of round: Int) -> Int { round % 2 }

  // MARK: Requests

  private static func ring(_ viommu: String, _ index: Int, _ iova: Int) -> String {
    #"{"viommu":"\#(viommu)","type":"tegra241-cmdqv","index":\#(index),"length":4096,"#
      + #""iova":\#(iova),"execution":"async"}"#
  }

  private static let device = #"{"smmu":"smmu0","stream_id":66,"ats":true}"#

  /// The steady guest `v0` with its device, whose queue 0 fails, and what the others are made on.
  private static let furniture: [(method: String, path: String, body: String)] = [
    (
      "POST", "/v1/hosts",
      #"{"id":"t","smmus":[{"id":"smmu0","cmdqv":{"vintfs":4,"vcmdqs":8,"sids_per_vintf":4}}]}"#
    ),
    ("PUT", host + "/devices/d", device),
    ("PUT", host + "/devices/c", #"{"smmu":"smmu0","stream_id":67,"ats":true}"#),
    ("PUT", host + "/ioas/i", "{}"),
    ("POST", host + "/ioas/i/map", #"{"iova":"0x10000","length":"0x100000"}"#),
    (
      "PUT", host + "/domains/p",
      #"{"type":"paging","device":"d","ioas":"i","nest_parent":true}"#
    ),
    ("PUT", host + "/devices/c/attachment", #"{"domain":"p"}"#),
    ("PUT", host + "/viommus/v0", #"{"type":"tegra241-cmdqv","device":"c","domain":"p"}"#),
    ("PUT", host + "/vdevs/x0", #"{"viommu":"v0","device":"c","virt_id":16}"#),
    ("PUT", host + "/veventqs/e0", #"{"viommu":"v0","type":"tegra241-cmdqv","depth":64}"#),
    ("PUT", host + "/hw-queues/q0-0", ring("v0", 0, 0x1_0000)),
    ("PUT", host + "/viommus/v0/mmio/0x8", #"{"value":1}"#),
    (
      "PUT", host + "/devices/c/traffic",
      #"{"rate":20000,"targets":[{"iova":"0x20000","length":"0x1000"}]}"#
    ),
  ]

  /// What makes a guest of a round.
  private static func birth(_ round: Int) -> [(method: String, path: String, body: String)] {
    let viommu = "v\(round)"
    let nested = #"{"type":"nested","device":"d","viommu":"\#(viommu)","ste":["0x1000b",0]}"#
    return [
      (
        "PUT", host + "/viommus/\(viommu)",
        #"{"type":"tegra241-cmdqv","device":"d","domain":"p"}"#
      ),
      (
        "PUT", host + "/vdevs/x\(round)",
        #"{"viommu":"\#(viommu)","device":"d","virt_id":16}"#
      ),
      (
        "PUT", host + "/veventqs/e\(round)",
        #"{"viommu":"\#(viommu)","type":"tegra241-cmdqv","depth":64}"#
      ),
      ("PUT", host + "/hw-queues/q\(round)-0", ring(viommu, 0, 0x3_0000)),
      ("PUT", host + "/hw-queues/q\(round)-1", ring(viommu, 1, 0x4_0000)),
      ("PUT", host + "/viommus/\(viommu)/mmio/0x8", #"{"value":1}"#),
      ("PUT", host + "/viommus/\(viommu)/mmio/0x88", #"{"value":1}"#),
      ("PUT", host + "/domains/n\(round)", nested),
      ("PUT", host + "/domains/m\(round)", nested),
    ]
  }

  /// What happens to it, and how it ends.
  private static func life(_ round: Int) -> [(method: String, path: String, body: String?)] {
    let attachment = host + "/devices/d/attachment"
    var steps: [(method: String, path: String, body: String?)] = [
      ("PUT", attachment, #"{"domain":"n\#(round)"}"#),
      ("PUT", attachment, #"{"domain":"m\#(round)"}"#),
    ]
    switch round % 4 {
    case 0: steps += [("PUT", attachment, #"{"domain":"p"}"#), ("DELETE", attachment, nil)]
    case 1:
      steps += [("POST", host + "/devices/d/unplug", nil), ("PUT", host + "/devices/d", device)]
    case 2:
      steps += [
        ("DELETE", attachment, nil), ("DELETE", host + "/hw-queues/q\(round)-1", nil),
        ("DELETE", host + "/vdevs/x\(round)", nil),
      ]
    default: steps += [("DELETE", host + "/veventqs/e\(round)", nil)]
    }
    return steps + [("DELETE", host + "/viommus/v\(round)?cascade=true", nil)]
  }

  // MARK: The threads

  private static func play(
    _ plane: ControlPlane, _ progress: Progress
  ) async throws -> [Int: VEventFIFO] {
    defer { progress.isOver.store(true, ordering: .releasing) }
    var queues: [Int: VEventFIFO] = [:]
    for round in 1...rounds {
      for (method, path, body) in birth(round) {
        #expect(plane.send(method, path, body) == (path.contains("mmio") ? 200 : 201), "\(path)")
      }
      try plane.hosts.host("t")?.read { state in
        queues[round] = (state.core.object(.veventq, "e\(round)") as? VEventQueue)?.fifo
      }
      progress.round.store(round, ordering: .releasing)
      for (method, path, body) in life(round) {
        // However the threads are scheduled, the guests do something between any two steps.
        let before = progress.deeds.load(ordering: .relaxed)
        while progress.deeds.load(ordering: .relaxed) < before + 3 { await Task.yield() }
        #expect(plane.send(method, path, body) < 300, "\(method) \(path)")
      }
    }
    return queues
  }

  /// A guest's own thread: floods, and mistakes that it acknowledges.
  private static func act(_ plane: ControlPlane, _ progress: Progress, isSteady: Bool) async {
    func flood(_ pair: String) -> String {
      let pairs = Array(repeating: pair, count: 40).joined(separator: ",")
      return #"{"commands":[\#(pairs),["0x46",0]]}"#
    }
    let good = flood(#"["0x11",0],["0x12","0x1000"]"#)
    // ATC_INV, which is wrong as well once the vdev is gone.
    let mixed = flood(#"["0x11",0],["0x1000000040",52]"#)
    let bad = #"{"commands":[["0x11",0],["0x1000000003",1]]}"#
    while !progress.isOver.load(ordering: .acquiring) {
      let round = isSteady ? 0 : progress.round.load(ordering: .acquiring)
      let index = badQueue(of: round)
      let page0 = 0x80 * index
      func window(_ offset: Int) -> String {
        "\(host)/viommus/v\(round)/mmio/0x\(String(page0 + offset, radix: 16))"
      }
      _ = plane.send("POST", "\(host)/hw-queues/q\(round)-\(1 - index)/submit", good)
      _ = plane.send("POST", "\(host)/hw-queues/q\(round)-\(index)/submit", mixed)
      _ = plane.send("POST", "\(host)/hw-queues/q\(round)-\(index)/submit", bad)
      // Each acknowledgement meets the same command again. GERROR has one bit here.
      for gerror in [1, 0, 1, 0] {
        _ = plane.send("PUT", window(0x14), #"{"value":\#(gerror)}"#)
        _ = plane.send("GET", "\(host)/viommus/v\(round)", nil)
      }
      for offset in [8, 4, 0] { _ = plane.send("PUT", window(offset), #"{"value":0}"#) }
      for gerror in [0, 1] where isStill(plane, window(0x10), window(0x14)) {
        _ = plane.send("PUT", window(0x14), #"{"value":\#(gerror)}"#)
      }
      _ = plane.send("PUT", window(8), #"{"value":1}"#)
      progress.deeds.add(1, ordering: .relaxed)
      await Task.yield()
    }
  }

  private static func isStill(_ plane: ControlPlane, _ gerror: String, _ gerrorn: String) -> Bool {
    plane.text("GET", gerror) != plane.text("GET", gerrorn)
  }

  // MARK: The test

  @Test("Every vEVENT lands in a vIOMMU that has the interface, and tells of its own queues")
  func interfaces() async throws {
    let places = ThreadPlaces(limit: 16)
    let plane = try ControlPlane(
      .init(models: [SMMUv3Model(places: places)], clock: { Timestamp(microseconds: 0) }))
    for (method, path, body) in Self.furniture {
      try #require(plane.send(method, path, body) < 300, "\(path)")
    }
    let progress = Progress()
    async let script = Self.play(plane, progress)
    async let first: Void = Self.act(plane, progress, isSteady: false)
    async let second: Void = Self.act(plane, progress, isSteady: true)
    let queues = try await script
    _ = await (first, second)
    #expect(places.count == 1)
    let log = try #require(plane.hosts.host("t")).log
    try Self.check(log, queues)
    #expect(plane.send("DELETE", Self.host, nil) < 300)
    #expect(places.count == 0)
  }

  // MARK: The log

  /// The log has interfaces and queues come and go; what the hardware tells lies between.
  private static func check(_ log: EventLog, _ queues: [Int: VEventFIFO]) throws {
    var owners: [String: Int] = [:]
    var live: Set<String> = []
    var forwarded: [String: Int] = [:]
    var (errors, strays) = (0, 0)
    for line in try lines(of: log) {
      let name = line.member("object")?.member("id")?.string ?? ""
      let data = line.member("data")
      switch line.member("type")?.string {
      case "viommu.created":
        owners[name] = data?.member("hardware")?.member("vintf")?.quantity.map { Int($0) }
      case "viommu.deleted": owners[name] = nil
      case "hw-queue.created": live.insert(name)
      case "hw-queue.deleted": live.remove(name)
      case "hw-queue.ran": if !live.contains(name) { strays += 1 }
      case "smmu.cmdqv_error":
        errors += 1
        // An interface that is being taken down is nobody's.
        guard let viommu = data?.member("viommu")?.string else { continue }
        let map = data?.member("lvcmdq_err_map")?.elements.compactMap(\.quantity) ?? []
        let bit = UInt64(1) << UInt64(badQueue(of: Int(viommu.dropFirst()) ?? 0))
        if owners[viommu] != data?.member("vintf")?.quantity.map({ Int($0) }) { strays += 1 }
        if map.count != 2 || map[0] & ~bit != 0 || map[1] != 0 { strays += 1 }
        if data?.member("forwarded")?.bool == true { forwarded[viommu, default: 0] += 1 }
      default: break
      }
    }
    #expect(strays == 0)
    #expect(errors > 10 * rounds)
    for (round, fifo) in queues {
      #expect(Int(fifo.status.nextSequence) == forwarded["v\(round)"] ?? 0, "round \(round)")
    }
  }

  private static func lines(of log: EventLog) throws -> [JSONValue] {
    guard var cursor = log.cursor(after: nil, filter: EventFilter()).cursor else { return [] }
    var bytes: [UInt8] = []
    while log.read(&cursor, as: .ndjson, into: &bytes, limit: 1 << 20) == .more {}
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    #expect(lines.count == Int(log.extent.latest))
    return try lines.map { try JSONParser.parse(Array($0)).root }
  }
}
