// SPDX-License-Identifier: Apache-2.0
import Glibc
import HTTPCore
import IOMMUHardware
import TestSupport
import Testing

/// A guest with queues of its own, as its VMM and the guest itself see them.
extension Lab {
  /// Where the rings are in the guest's memory.
  static let rings = Lab.base + 0x30_0000
  /// The CMDQV's registers, from the SMMU's on.
  static let cmdqv: UInt64 = 0x20_0000

  /// A device, its memory, a vIOMMU `v0` with an interface, the vdev 0x10, and the queues `q0` and
  /// `q1`, both enabled; and a veventq `t0` for their errors.
  @discardableResult
  func furnishQueues(_ device: String = "", execution: String = "sync") throws -> Lab {
    try furnish(device, type: "tegra241-cmdqv")
    try makeErrorQueue("t0")
    for index in 0...1 {
      try makeRing("q\(index)", index, execution: execution)
      try enable(index)
    }
    return self
  }

  /// A second guest beside the first: `gpu1` on stream 67, `v1`, the vdev 0x10, `r0` and `t1`.
  func furnishSecond() throws {
    try makeDevice("gpu1", stream: 67)
    try make("ioas", #""id":"ram1""#)
    try map(ioas: "ram1")
    try makeParent("s21", device: "gpu1", ioas: "ram1")
    try make("viommus", #""id":"v1","type":"tegra241-cmdqv","device":"gpu1","domain":"s21""#)
    try makeVDev("vd1", device: "gpu1", viommu: "v1")
    try makeErrorQueue("t1", viommu: "v1")
    try makeRing("r0", 0, viommu: "v1")
    try enable(0, viommu: "v1")
  }

  func makeErrorQueue(_ id: String, viommu: String = "v0", depth: Int = 64) throws {
    try make(
      "veventqs", #""id":"\#(id)","viommu":"\#(viommu)","type":"tegra241-cmdqv","depth":\#(depth)"#)
  }

  // MARK: Queues

  func tryRing(
    _ id: String, _ index: Int, iova: UInt64? = nil, length: UInt64 = 0x1000,
    viommu: String = "v0", execution: String = "sync"
  ) throws -> Answer {
    let iova = iova ?? Lab.rings + UInt64(index) * 0x1_0000
    return try post(
      "hw-queues",
      #"{"id":"\#(id)","viommu":"\#(viommu)","type":"tegra241-cmdqv","index":\#(index),"#
        + #""iova":"\#(hex(iova))","length":"\#(hex(length))","execution":"\#(execution)"}"#)
  }

  @discardableResult
  func makeRing(
    _ id: String, _ index: Int, iova: UInt64? = nil, length: UInt64 = 0x1000,
    viommu: String = "v0", execution: String = "sync"
  ) throws -> JSON {
    let answer = try tryRing(
      id, index, iova: iova, length: length, viommu: viommu, execution: execution)
    try #require(answer.status == 201, "\(answer)")
    return answer.json
  }

  /// What is in front of a ring's commands: the registers of a queue.
  func registers(_ queue: String) throws -> JSON { try get("hw-queues/\(queue)")["registers"] }

  func trySubmit(_ commands: [Command], to queue: String = "q0", _ query: String = "") throws
    -> Answer
  {
    let words = commands.map { hexes($0.words) }.joined(separator: ",")
    return try post("hw-queues/\(queue)/submit\(query)", #"{"commands":[\#(words)]}"#)
  }

  @discardableResult
  func submit(_ commands: Command..., to queue: String = "q0") throws -> JSON {
    let answer = try trySubmit(commands, to: queue)
    try #require(answer.status == 200, "\(answer)")
    return answer.json
  }

  /// What an ATC_INV of all that a device knows is.
  static func atcInv(_ stream: UInt32 = 0x10) -> Command {
    .atcInv(stream, nil, address: 0, sizeLog2: 52)
  }

  // MARK: Registers

  func window(_ offset: UInt64, viommu: String = "v0") throws -> UInt64 {
    try #require(get("viommus/\(viommu)/mmio/\(hex(offset))")["value"].quantity)
  }

  func setWindow(_ offset: UInt64, _ value: UInt64, viommu: String = "v0") throws {
    let answer = try put("viommus/\(viommu)/mmio/\(hex(offset))", #"{"value":"\#(hex(value))"}"#)
    try #require(answer.status == 200, "\(answer)")
  }

  func enable(_ logical: Int, viommu: String = "v0") throws {
    try setWindow(UInt64(logical) * 0x80 + 8, 1, viommu: viommu)
    try #require(try window(UInt64(logical) * 0x80 + 0xc, viommu: viommu) == 1)
  }

  /// A guest gives up what is in its queue 0.
  func restartQueue(viommu: String = "v0") throws {
    for offset: UInt64 in [8, 4, 0] { try setWindow(offset, 0, viommu: viommu) }
    try setWindow(0x14, window(0x10, viommu: viommu), viommu: viommu)
    try setWindow(8, 1, viommu: viommu)
  }

  func cmdqv(_ offset: UInt64, width: Int = 32) throws -> UInt64 {
    try register(Lab.cmdqv + offset, width: width)
  }

  func setCMDQV(_ offset: UInt64, _ value: UInt64, width: Int = 32) throws {
    try setRegister(Lab.cmdqv + offset, value, width: width)
  }

  // MARK: Repeating and comparing

  /// A request that is carried out once under its key.
  func send(_ method: String, _ path: String, _ body: String, key: String) throws -> Answer {
    try send(
      method, "\(prefix)/\(path)", bytes: Array(body.utf8), fields: [.idempotencyKey: key])
  }

  func put(_ path: String, _ body: String, key: String) throws -> Answer {
    try send("PUT", path, body, key: key)
  }

  func send(_ method: String, _ path: String, unless tag: String) throws -> Answer {
    try send(method, path, bytes: nil, fields: [.ifNoneMatch: tag])
  }

  func tag(_ path: String) throws -> String? { try send("GET", "\(prefix)/\(path)").tag }

  // MARK: The log

  /// Waits until the log has an event since the mark.
  func event(
    _ type: String, _ location: SourceLocation = #_sourceLocation,
    where isWanted: (JSON) -> Bool = { _ in true }
  ) throws -> JSON {
    let end = ContinuousClock.now + .seconds(60)
    while ContinuousClock.now < end {
      if let found = try events().first(where: { $0["type"].string == type && isWanted($0) }) {
        return found["data"]
      }
      sched_yield()
    }
    Issue.record("never: \(type)", sourceLocation: location)
    return JSON([])
  }

  /// Waits until a queue's thread has told of its index `cons`.
  @discardableResult
  func progress(
    _ queue: String, cons: Int, _ location: SourceLocation = #_sourceLocation
  ) throws -> JSON {
    try event("hw-queue.ran", location) {
      $0["object"]["id"].string == queue && $0["data"]["cons"].int == cons
    }
  }
}
