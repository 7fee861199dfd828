// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

extension ThreadPlaces {
  /// For the queues of all hosts.
  static let queues = ThreadPlaces(limit: 128)
}

/// The thread of a queue that runs by itself: the guest rings the doorbell, and goes on.
final class QueueWorker: Sendable {
  /// Commands between two looks at whether the queue is to stop.
  private static let batch = 256

  private let places: ThreadPlaces
  private let engine: Tegra241CMDQV
  private let global: Int
  private let progress: QueueProgress
  private let worker: Locked<Worker?> = Locked(nil)
  /// Held while a batch is carried out and told of.
  private let isOver = Locked(false)

  /// - Parameters:
  ///   - progress: is told when the queue has come to a stand.
  ///   - places: of which the thread takes one.
  /// - Throws: `ENOSPC` when there are too many threads already.
  init(
    _ engine: Tegra241CMDQV, queue global: Int, _ progress: QueueProgress, _ places: ThreadPlaces
  ) throws(Refusal) {
    self.places = places
    self.engine = engine
    self.global = global
    self.progress = progress
    guard places.take() else {
      throw Refusal(
        .ENOSPC, .exhausted, field: "execution",
        "\(places.limit) queues run by themselves already")
    }
  }

  /// Gives the place back; nothing was started.
  func abandon() { places.giveBack() }

  func start() {
    engine.setDeferred(true, queue: global)
    let worker = Worker { self.run() }
    self.worker.withLock { $0 = worker }
    // Without a thread to have, the doorbell does the work.
    if !worker.start() { engine.setDeferred(false, queue: global) }
  }

  /// There may be something to do.
  func ring() { worker.withLock { $0 }?.wake() }

  /// Has the thread end. A batch that it is at has ended when this returns: the queue may be
  /// somebody else's next.
  func stop() {
    engine.setDeferred(false, queue: global)
    worker.withLock { worker in
      guard let stopped = worker else { return }
      worker = nil
      stopped.stop()
      abandon()
    }
    isOver.withLock { $0 = true }
  }

  private func run() -> UInt64 {
    isOver.withLock { isOver in
      if isOver { return .max }
      if engine.run(global, limit: QueueWorker.batch) { return 0 }
      progress.tell()
      return .max
    }
  }
}
