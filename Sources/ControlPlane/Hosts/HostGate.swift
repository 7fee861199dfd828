// SPDX-License-Identifier: Apache-2.0
import DequeModule
import Locking

/// The way of requests into a host, at which no loop of the server ever waits.
///
/// A request that finds the host free is carried out by the thread that brings it. One that finds
/// it taken is left here, and carried out by a worker when its turn comes; so is one that may take
/// long, for the loop has other clients to serve. Requests are carried out one at a time, and in
/// the order in which they came. So a host's long operation delays that host's clients, and nobody
/// else.
///
/// The gate only keeps loops from waiting. What keeps the host whole is its own lock.
final class HostGate: Sendable {
  private struct State {
    /// Whether a request is being carried out, or a worker is about to carry one out.
    var isTaken = false
    /// Whether whoever has it has come by `enter`.
    var isTakenForAMoment = false
    var waiting: Deque<@Sendable () -> Void> = []
  }

  private let state = Locked(State())

  /// Carries something out on this thread if the host is free.
  ///
  /// - Returns: what `work` returns; nil if the host is taken, and then nothing was done.
  func carryOut<Result>(_ workers: WorkerPool, _ work: () -> Result) -> Result? {
    guard enter() else { return nil }
    let result = work()
    leave(to: workers)
    return result
  }

  /// Leaves something for a worker, who carries it out behind what was left before.
  func leave(_ work: @escaping @Sendable () -> Void, _ workers: WorkerPool) {
    let isFirst = state.withLock { state in
      state.waiting.append(work)
      defer { state.isTaken = true }
      return !state.isTaken
    }
    if isFirst { workers.run { self.carryOutWhatWaits() } }
  }

  /// Carries something out that nobody waits for: now, if the host is free, else when it is.
  func submit(_ workers: WorkerPool?, _ work: @escaping @Sendable () -> Void) {
    guard let workers else { return work() }
    if carryOut(workers, work) == nil { leave(work, workers) }
  }

  /// Carries out something short if the host is free.
  ///
  /// - Returns: whether it was.
  func attempt(_ workers: WorkerPool?, _ work: () -> Void) -> Bool {
    guard let workers else {
      work()
      return true
    }
    return carryOut(workers, work) != nil
  }

  /// How often a thread that finds the host taken for a moment looks again before it leaves its
  /// request: less than it would cost to suspend a connection and to wake another thread.
  private static let looks = 200

  /// Takes the host, if it is free or is about to be; `leave(to:)` has to follow.
  ///
  /// Who is in by this way stays for a moment only. Where anybody waits, or a worker is in, the
  /// host is not looked at again.
  func enter() -> Bool {
    for _ in 0..<HostGate.looks {
      let (isIn, isWorthAnotherLook) = state.withLock { state -> (Bool, Bool) in
        if state.isTaken { return (false, state.isTakenForAMoment && state.waiting.isEmpty) }
        state.isTaken = true
        state.isTakenForAMoment = true
        return (true, false)
      }
      if isIn { return true }
      if !isWorthAnotherLook { return false }
    }
    return false
  }

  /// Gives the host back after `enter`; what waits is a worker's.
  func leave(to workers: WorkerPool) {
    let isOver = state.withLock { state in
      state.isTaken = !state.waiting.isEmpty
      state.isTakenForAMoment = false
      return !state.isTaken
    }
    if !isOver { workers.run { self.carryOutWhatWaits() } }
  }

  private func carryOutWhatWaits() {
    while let work = next() { work() }
  }

  private func next() -> (@Sendable () -> Void)? {
    state.withLock { state in
      let work = state.waiting.popFirst()
      if work == nil { state.isTaken = false }
      return work
    }
  }
}
