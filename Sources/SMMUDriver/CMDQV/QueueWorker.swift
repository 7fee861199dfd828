// SPDX-License-Identifier: Apache-2.0
import IOMMUFD
import IOMMUHardware
import Locking
import Synchronization

/// The thread of a queue that runs by itself: the guest rings the doorbell, and goes on.
final class QueueWorker: Sendable {
  /// Threads that there may be at once, of all hosts.
  static let limit = 128
  private static let running = Atomic<Int>(0)
  /// Commands between two looks at whether the queue is to stop.
  private static let batch = 256

  private let engine: Tegra241CMDQV
  private let global: Int
  private let progress: QueueProgress
  private let worker: Locked<Worker?> = Locked(nil)

  /// - Parameter progress: is told when the queue has come to a stand.
  /// - Throws: `ENOSPC` when there are too many threads already.
  init(
    _ engine: Tegra241CMDQV, queue global: Int, _ progress: QueueProgress
  ) throws(Refusal) {
    self.engine = engine
    self.global = global
    self.progress = progress
    let count = QueueWorker.running.wrappingAdd(1, ordering: .relaxed).newValue
    guard count <= QueueWorker.limit else {
      abandon()
      throw Refusal(
        .ENOSPC, .exhausted, field: "execution",
        "\(QueueWorker.limit) queues run by themselves already")
    }
  }

  /// Gives the place back; nothing was started.
  func abandon() { QueueWorker.running.wrappingSubtract(1, ordering: .relaxed) }

  func start() {
    engine.setDeferred(true, queue: global)
    let worker = Worker { self.run() }
    self.worker.withLock { $0 = worker }
    // Without a thread to have, the doorbell does the work.
    if !worker.start() { engine.setDeferred(false, queue: global) }
  }

  /// There may be something to do.
  func ring() { worker.withLock { $0 }?.wake() }

  /// Has the thread end after the batch that it is at.
  func stop() {
    engine.setDeferred(false, queue: global)
    worker.withLock { worker in
      guard let stopped = worker else { return }
      worker = nil
      stopped.stop()
      abandon()
    }
  }

  private func run() -> UInt64 {
    if engine.run(global, limit: QueueWorker.batch) { return 0 }
    progress.tell()
    return .max
  }
}
