// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Hashing
import IOMMUFD
import Locking

/// One emulated machine: its objects under one lock, its memory, and its log. Hosts share nothing.
public final class Host: Sendable {
  let name: String
  let settings: HostSettings
  let log: EventLog
  private let models: [any SMMUModel]
  private let clock: @Sendable () -> Timestamp
  private let state: Locked<HostState>
  /// Where requests wait for the host instead of a loop.
  let gate = HostGate()
  /// How much there is on the host, for those who do not wait for it.
  let size = HostSize()

  /// - Throws: the problem with the objects that the host is to start with.
  init(
    name: String, settings: HostSettings, models: [any SMMUModel],
    retention: EventLog.Retention, clock: @escaping @Sendable () -> Timestamp
  ) throws(Problem) {
    self.name = name
    self.settings = settings
    self.models = models
    self.clock = clock
    log = EventLog(retention: retention)
    state = Locked(
      try Host.furnish(name, settings, models, log, clock, lastTransaction: 0))
    state.withLock { [size] state in size.update(state.core) }
  }

  private static func furnish(
    _ name: String, _ settings: HostSettings, _ models: [any SMMUModel], _ log: EventLog,
    _ clock: @escaping @Sendable () -> Timestamp, lastTransaction: UInt64
  ) throws(Problem) -> sending HostState {
    let machine = HostMachine(log: log, clock: clock, settings: settings)
    let state = HostState(
      settings: settings, name: name, machine: machine, models: models,
      lastTransaction: lastTransaction)
    guard !settings.fixtures.isEmpty else { return state }
    let drafts = try state.run { () throws(Problem) in
      for fixture in settings.fixtures {
        do throws(Problem) {
          _ = try state.performer.perform(.create(fixture.creation))
        } catch {
          throw error.placed(below: fixture.pointer)
        }
      }
    }
    log.append(drafts, transaction: state.core.committed, time: clock())
    return state
  }

  var encoder: ObjectEncoder { ObjectEncoder(host: name) }

  // MARK: Reading

  /// Looks at the objects. `body` must change nothing, because no event would tell of it.
  func read<Result>(_ body: (HostState) throws(Problem) -> Result) throws(Problem) -> Result {
    try state.withLock { state throws(Problem) in try body(state) }
  }

  // MARK: Changing

  /// Carries out a change and writes the answer, under one hold of the lock, so that nothing comes
  /// between the two.
  func change(_ change: Change, _ conditions: Conditions) -> Response {
    answerOnce(conditions) { state throws(Problem) in
      try carryOut(change, conditions, state)
    }
  }

  /// Answers a request, or repeats the answer that it got before under its key.
  private func answerOnce(
    _ conditions: Conditions, _ body: (HostState) throws(Problem) -> Response
  ) -> Response {
    state.withLock { state in
      // A reset puts a new state in this one's place. The answer is kept with the state that gave
      // it.
      let current = state
      return current.replies.answerOnce(conditions) { () throws(Problem) in try body(current) }
    }
  }

  private func carryOut(
    _ change: Change, _ conditions: Conditions, _ state: HostState
  ) throws(Problem) -> Response {
    try conditions.check(change.subject, in: state, epoch: log.extent.epoch)
    var outcome = Outcome.missing
    let body = { () throws(Problem) in outcome = try state.performer.perform(change.operation) }
    if conditions.isDryRun {
      return try state.tryOut(body) {
        answer(to: outcome, seq: log.extent.latest + $0, conditions, state)
      }
    }
    let seq = commit(try state.run(body), state)
    return answer(to: outcome, seq: seq, conditions, state)
  }

  private func answer(
    to outcome: Outcome, seq: UInt64, _ conditions: Conditions, _ state: HostState
  ) -> Response {
    let reply = Reply(state: state, epoch: log.extent.epoch)
    guard case .stopped(let refusal, let progress) = outcome else {
      return reply.response(to: outcome, seq: seq)
    }
    return conditions.response(to: reply.problem(refusal, progress))
  }

  /// Carries out something that no client's operation stands for, as opening the file of a stream.
  func perform(_ body: (HostState) throws(Problem) -> Void) throws(Problem) {
    try state.withLock { state throws(Problem) in
      _ = commit(try state.run { () throws(Problem) in try body(state) }, state)
    }
  }

  /// Carries out a batch, which is answered with the results that `body` writes.
  func batch(
    _ conditions: Conditions, _ body: (HostState) throws(Problem) -> [UInt8]
  ) -> Response {
    answerOnce(conditions) { state throws(Problem) in
      try runBatch(conditions, state, body)
    }
  }

  private func runBatch(
    _ conditions: Conditions, _ state: HostState,
    _ body: (HostState) throws(Problem) -> [UInt8]
  ) throws(Problem) -> Response {
    try conditions.check(HostCoding.tag(of: self))
    var results: [UInt8] = []
    let carryOut = { () throws(Problem) in results = try body(state) }
    let answer = { (seq: UInt64) -> Response in
      .object(capacity: results.count + 64) { writer in
        writer.key("results")
        writer.raw(results)
        writer.field("seq", int: Int(seq))
      }
    }
    if conditions.isDryRun {
      return try state.tryOut(carryOut) { answer(log.extent.latest + $0) }
    }
    return answer(commit(try state.run(carryOut), state))
  }

  private func commit(_ drafts: [EventLog.Draft], _ state: HostState) -> UInt64 {
    let seq = log.append(drafts, transaction: state.core.committed, time: clock())
    if !drafts.isEmpty { size.update(state.core) }
    state.machine.noteTableWrites(seq: seq)
    return seq
  }

  // MARK: Beginning and end

  /// What a host shows of itself.
  struct Outline {
    var extent: EventLog.Extent
    var counts: [(kind: ObjectKind, count: Int)]
  }

  var outline: Outline { Outline(extent: log.extent, counts: size.objects) }

  /// What the host would show after a reset.
  func outlineOfReset() throws(Problem) -> Outline {
    let fresh = try Host(
      name: name, settings: settings, models: models, retention: log.retention, clock: clock)
    var outline = fresh.outline
    let extent = log.extent
    // The log would go on with the event of the reset, and then with those of the fresh host.
    outline.extent.epoch = extent.epoch + 1
    outline.extent.latest += extent.latest + 1
    fresh.close()
    return outline
  }

  /// Makes the host as new. Its log goes on, in a new epoch.
  func reset() throws(Problem) -> Outline {
    try state.withLock { state throws(Problem) in
      var writer = JSONWriter()
      writer.object { $0.field("pin_policy", text: settings.pinPolicy.rawValue) }
      let last = state.core.committed
      state.core.closeQueues()
      state.traffic.stopAll()
      state.machine.silence()
      log.restart(
        .init(type: .hostReset, object: nil, data: writer.bytes), time: clock())
      let old = state.core
      state = try Host.furnish(name, settings, models, log, clock, lastTransaction: last)
      old.dismantle()
      size.update(state.core)
      return outline
    }
  }

  /// Ends everything that runs on the host and that clients follow, because the host is deleted.
  func close() {
    state.withLock { state in
      state.traffic.stopAll()
      state.core.closeQueues()
      state.core.dismantle()
    }
    log.close()
  }

  /// A digest of everything that clients can see of the objects.
  public func digest() -> String {
    state.withLock { state in
      var hash = SHA256()
      for kind in ObjectKind.allCases {
        state.core.visit(kind, after: nil) { object in
          var writer = JSONWriter()
          state.encoder.write(object, to: &writer)
          hash.update(writer.bytes)
          return true
        }
      }
      return hash.finish()
    }
  }
}
