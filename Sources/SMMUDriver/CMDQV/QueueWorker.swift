// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking

extension ThreadPlaces {
  /// The limit for the queues of all hosts of the process.
  static let queues = ThreadPlaces(limit: 128)
}

/// A thread of its own for a guest's queue. The guest only rings the doorbell and goes on, while
/// this thread carries out the commands.
final class QueueWorker: Sendable {
  /// How many commands are carried out between two looks at whether the queue is to stop.
  private static let batch = 256

  private let places: ThreadPlaces
  private let engine: Tegra241CMDQV
  private let global: Int
  private let progress: QueueProgress
  private let worker: Locked<Worker?> = Locked(nil)
  /// Whether `stop` was called. The lock is held while a batch is carried out and logged, so that
  /// `stop` waits for the end of the batch.
  private let isOver = Locked(false)

  /// - Parameters:
  ///   - progress: logs what the queue has done when it has nothing more to do.
  ///   - places: limits the number of such threads. The worker takes one place.
  /// - Throws: `ENOSPC` when no place is left.
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

  /// Gives the place back of a worker that was not started.
  func abandon() { places.giveBack() }

  func start() {
    engine.setDeferred(true, queue: global)
    let worker = Worker { self.run() }
    self.worker.withLock { $0 = worker }
    // If no thread can be had, the thread that rings the doorbell runs the queue.
    if !worker.start() { engine.setDeferred(false, queue: global) }
  }

  /// Wakes the thread, because the queue may have commands.
  func ring() { worker.withLock { $0 }?.wake() }

  /// Stops the thread. When this returns, it is not in the middle of a batch any more, so the queue
  /// can be given to somebody else.
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
