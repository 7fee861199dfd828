// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import MockDriver
import SMMUDriver
import Synchronization
import Testing

@testable import ControlPlane

/// Meant for the thread sanitizer: guests come and go, and no event is lost or found twice.
/// Serialized, so that the threads of a test have the processors for themselves.
@Suite("Every event that the hardware reports is accounted for", .serialized)
struct EventAccountingTests {
  /// How far the script is: the steps that have begun, and those that have been answered. Then the
  /// hardware reports some more, and is silent.
  private final class Progress: Sendable {
    let begun = Atomic<Int>(0)
    let done = Atomic<Int>(0)
    /// Events that the hardware has reported.
    let raised = Atomic<Int>(0)
    let isOver = Atomic<Bool>(false)
    let isSilent = Atomic<Bool>(false)
  }

  /// What became of a queue: its FIFO, and what that had taken when it was deleted.
  private struct Life {
    let fifo: VEventFIFO
    var end: VEventFIFO.Status?
  }

  /// What the hardware was told of its events.
  private struct Tally {
    var raised = 0
    var forwarded = 0
    var logged = 0
  }

  /// What was read of a queue.
  private struct Reading {
    var sequences: [Int] = []
    /// Of the records, without lost headers.
    var virtualIDs: [UInt64] = []
  }

  private static func furnished(_ script: Script) throws -> ControlPlane {
    let plane = try ControlPlane(
      .init(models: [SMMUv3Model(), MockModel()], clock: { Timestamp(microseconds: 0) }))
    for (method, path, body) in script.furniture {
      try #require(plane.send(method, path, body) == 201, "\(path)")
    }
    return plane
  }

  private static func object<Wanted: Object>(
    _ plane: ControlPlane, _ kind: ObjectKind, _ name: String, as type: Wanted.Type
  ) throws -> Wanted {
    var found: Wanted?
    try plane.hosts.host("t")?.read { found = $0.core.object(kind, name) as? Wanted }
    return try #require(found, "\(name)")
  }

  @Test(
    "52. Each event goes where the stream was at that moment, under the ID in force, or nowhere",
    arguments: Driver.allCases, [false, true])
  func accounting(_ driver: Driver, _ isLinux: Bool) async throws {
    let script = Script(driver, isLinux: isLinux, rounds: 90)
    let plane = try EventAccountingTests.furnished(script)
    let handler = try EventAccountingTests.object(plane, .smmu, "iommu", as: SMMU.self)
      .driver.eventHandler
    let progress = Progress()
    async let control = EventAccountingTests.play(script, plane, progress)
    async let reading = EventAccountingTests.read(script, plane, progress)
    let tally = await EventAccountingTests.flood(script, handler, progress)
    let lives = try await control
    let readings = await reading
    #expect(tally.raised == tally.forwarded + tally.logged)
    #expect(lives.values.reduce(0) { $0 + Int($1.fifo.status.nextSequence) } == tally.forwarded)
    try EventAccountingTests.checkLog(script, plane, tally)
    for queue in script.queues {
      let life = try #require(lives[queue.name])
      EventAccountingTests.check(queue, life, readings[queue.name] ?? Reading())
    }
  }

  // MARK: The threads

  /// The control plane's: carries the script out.
  private static func play(
    _ script: Script, _ plane: ControlPlane, _ progress: Progress
  ) async throws -> [String: Life] {
    defer { progress.isOver.store(true, ordering: .releasing) }
    let guests = Dictionary(uniqueKeysWithValues: script.queues.map { ($0.name, "v\($0.guest)") })
    var lives: [String: Life] = [:]
    for (index, step) in script.steps.enumerated() {
      progress.begun.store(index + 1, ordering: .sequentiallyConsistent)
      let status = plane.send(step.method, step.path, step.body)
      progress.done.store(index + 1, ordering: .sequentiallyConsistent)
      #expect(status < 300, "\(step.method) \(step.path)")
      if let name = step.queue {
        if step.method == "DELETE" {
          let end = lives[name]?.fifo.status
          lives[name]?.end = end
        } else {
          lives[name] = Life(fifo: try object(plane, .veventq, name, as: VEventQueue.self).fifo)
        }
      }
      // What has left a guest reports nothing to it any more.
      let quiet = lives.filter { guests[$0.key] != step.route?.viommu || $0.value.end != nil }
      let before = quiet.mapValues(\.fifo.status.nextSequence)
      // However the threads are scheduled, there are events between any two steps.
      while progress.raised.load(ordering: .relaxed) < 20 * (index + 1) { await Task.yield() }
      #expect(quiet.mapValues(\.fifo.status.nextSequence) == before, "behind step \(index)")
    }
    return lives
  }

  /// The hardware's: reports event after event, and holds each answer against the routes that were
  /// in force between the moments before and after.
  private static func flood(
    _ script: Script, _ handler: any HardwareEventHandler, _ progress: Progress
  ) async -> Tally {
    let routes = [nil] + script.steps.map(\.route)
    let record = handler.record(script.driver.record, from: 66)
    var tally = Tally()
    var strays = 0
    var left = 100
    while left > 0 {
      // In the end the device is in a guest, so that these are forwarded.
      if progress.isOver.load(ordering: .acquiring) { left -= 1 }
      let earliest = progress.done.load(ordering: .sequentiallyConsistent)
      let disposition = handler.handle(record)
      let latest = progress.begun.load(ordering: .sequentiallyConsistent)
      tally.raised += 1
      progress.raised.store(tally.raised, ordering: .relaxed)
      var route: Script.Route?
      switch disposition {
      case .forwarded(let viommu, let virtualID):
        tally.forwarded += 1
        route = Script.Route(viommu: viommu, virtualID: virtualID)
      case .logged: tally.logged += 1
      case .faulted, .queued: strays += 1
      }
      if !routes[earliest...latest].contains(route) { strays += 1 }
      if tally.raised % 64 == 0 { await Task.yield() }
    }
    progress.isSilent.store(true, ordering: .releasing)
    #expect(strays == 0, "events have gone where the stream was not")
    #expect(tally.forwarded >= 100)
    return tally
  }

  /// A VMM's: reads whatever queue is there.
  private static func read(
    _ script: Script, _ plane: ControlPlane, _ progress: Progress
  ) async -> [String: Reading] {
    var readings: [String: Reading] = [:]
    var position = 0
    var isLast = false
    while !isLast {
      // Once more after the end: what is left is read then.
      isLast = progress.isSilent.load(ordering: .acquiring)
      let done = progress.done.load(ordering: .acquiring)
      let made = script.steps.prefix(done).filter { $0.method == "PUT" && $0.queue != nil }.count
      position = max(position, made - 3)
      for queue in script.queues[position..<made] {
        collect(script, plane, queue.name, &readings[queue.name, default: Reading()])
      }
      await Task.yield()
    }
    return readings
  }

  private static func collect(
    _ script: Script, _ plane: ControlPlane, _ name: String, _ reading: inout Reading
  ) {
    let answer = plane.answer("GET", "\(Script.host)/veventqs/\(name)/events")
    guard answer.status == 200, case .bytes(let body) = answer.body,
      let items = try? JSONParser.parse(body).root.member("items")?.elements
    else { return }
    for item in items {
      reading.sequences.append(Int(item.member("sequence")?.quantity ?? 0))
      if item.member("lost_events")?.bool == true { continue }
      let words = item.member("data")?.elements.compactMap(\.quantity) ?? []
      reading.virtualIDs.append(script.driver.virtualID(in: words))
    }
  }

  // MARK: The accounts

  /// All that was not forwarded is in the log: what it has more than the log of a host on which the
  /// same was done in silence.
  private static func checkLog(_ script: Script, _ plane: ControlPlane, _ tally: Tally) throws {
    let silent = try furnished(script)
    for step in script.steps { _ = silent.send(step.method, step.path, step.body) }
    let latest = try [plane, silent].map { try #require($0.hosts.host("t")).log.extent.latest }
    #expect(Int(latest[0] - latest[1]) == tally.logged)
  }

  private static func check(_ queue: Script.Queue, _ life: Life, _ reading: Reading) {
    let taken = Int(life.fifo.status.nextSequence)
    if let end = life.end {
      #expect(Int(end.nextSequence) == taken, "\(queue.name) got events after its end")
      #expect(!life.fifo.report(VEventData([1])), "\(queue.name) takes events after its end")
    }
    // The numbers ascend, and those that are missing were lost: a lost header or a gap tells.
    #expect(zip(reading.sequences, reading.sequences.dropFirst()).allSatisfy { $0 < $1 })
    #expect(reading.sequences.allSatisfy { $0 < taken })
    if life.end == nil { #expect(reading.sequences.last ?? -1 == taken - 1, "\(queue.name)") }
    // Virtual IDs are given in ascending order, and a guest's are its own.
    #expect(zip(reading.virtualIDs, reading.virtualIDs.dropFirst()).allSatisfy { $0 <= $1 })
  }
}
