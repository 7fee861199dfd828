// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import Locking
import SeededRandom

/// A thread on which a device accesses memory, while objects come and go under it.
final class TrafficGenerator: Sendable {
  /// The threads that there may be at once, of all hosts together.
  private static let places = ThreadPlaces(limit: 128)
  private static let batch = 256

  private struct State {
    var counts = TrafficCounts()
    var accesses: UInt64 = 0
    var isRunning = false
    var random: SplitMix64
  }

  let settings: TrafficSettings
  private let port: any DevicePort
  private let state: Locked<State>
  private let worker: Locked<Worker?> = Locked(nil)

  /// - Parameter isReplacing: whether another generator stops when this one starts, so that both
  ///   together need one thread.
  /// - Throws: `ENOSPC` when there are too many threads already.
  init(
    _ settings: TrafficSettings, _ port: any DevicePort, isReplacing: Bool
  ) throws(Refusal) {
    self.settings = settings
    self.port = port
    state = Locked(State(random: SplitMix64(seed: settings.seed)))
    guard TrafficGenerator.places.take(isReplacing: isReplacing) else {
      throw Refusal(
        .ENOSPC, .exhausted, "\(TrafficGenerator.places.limit) devices have traffic already")
    }
  }

  /// Whether it sends through this port. A device that was deleted can have had the same name.
  func sends(through port: any DevicePort) -> Bool { self.port === port }

  /// Gives the place of its thread back.
  func abandon() { TrafficGenerator.places.giveBack() }

  func start() {
    // The worker keeps the generator alive, until `stop` takes the worker away.
    let worker = Worker { self.run() }
    self.worker.withLock { $0 = worker }
    let hasStarted = worker.start()
    state.withLock { $0.isRunning = hasStarted }
  }

  /// Ends the traffic. A batch that is under way is still carried out.
  func stop() {
    worker.withLock { worker in
      guard let stopped = worker else { return }
      worker = nil
      stopped.stop()
      state.withLock { $0.isRunning = false }
      abandon()
    }
  }

  /// Sends one batch.
  ///
  /// - Returns: how long to wait afterwards, in nanoseconds.
  private func run() -> UInt64 {
    let size =
      settings.rate.map { max(1, min(TrafficGenerator.batch, $0 / 100)) }
      ?? TrafficGenerator.batch
    let counts = port.run(nextBatch(size))
    state.withLock { state in
      state.counts += counts
      state.accesses &+= UInt64(size)
    }
    return settings.rate.map { UInt64(size) * 1_000_000_000 / UInt64($0) } ?? 0
  }

  private func nextBatch(_ size: Int) -> TrafficBatch {
    state.withLock { state in
      let addresses = (0..<size).map { _ in
        let target = settings.targets[
          Int(state.random.next() % UInt64(settings.targets.count))]
        let room = target.length - UInt64(settings.length)
        let offset = room == .max ? 0 : state.random.next() % (room + 1)
        let isWrite = state.random.next() % 100 < UInt64(settings.writePercent)
        return (target.iova &+ offset) & ~1 | (isWrite ? 1 : 0)
      }
      return TrafficBatch(
        addresses: addresses, length: settings.length,
        pasids: settings.pasids.isEmpty ? [nil] : settings.pasids.map { $0 })
    }
  }

  func write(to writer: inout JSONWriter) {
    let (counts, accesses, isRunning) = state.withLock { ($0.counts, $0.accesses, $0.isRunning) }
    writer.field("running", bool: isRunning)
    writer.field("seed", hex: settings.seed)
    writer.field("rate", int: settings.rate)
    writer.field("length", int: settings.length)
    writer.field("write_percent", int: settings.writePercent)
    writer.key("targets")
    writer.array(of: settings.targets) { writer, target in
      writer.object { writer in
        writer.field("iova", hex: target.iova)
        writer.field("length", hex: target.length)
      }
    }
    writer.key("pasids")
    writer.array(of: settings.pasids) { $0.int(Int($1)) }
    writer.field("accesses", int: Int(clamping: accesses))
    writer.field("done", int: Int(clamping: counts.done))
    writer.field("faulted", int: Int(clamping: counts.faulted))
    writer.field("stalled", int: Int(clamping: counts.stalled))
    writer.field("stale", int: Int(clamping: counts.stale))
  }
}
