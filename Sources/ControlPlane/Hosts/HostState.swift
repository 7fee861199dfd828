// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// What a host's lock guards: its objects, the events of the transaction under way, the answers
/// that clients may ask for again, and what devices send by themselves.
final class HostState {
  let core: ObjectCore
  let machine: HostMachine
  let encoder: ObjectEncoder
  /// The events of the transaction under way.
  let events: EventDrafts
  /// Carries out operations on what is here.
  let performer: Performer
  var replies = IdempotencyStore()
  var shown = ReplyCache()
  /// What devices send by themselves.
  let traffic = TrafficTable()
  /// What the streams of those who follow a queue wait for.
  var queueTopics: [ObjectKey: Topic] = [:]

  /// - Parameter lastTransaction: the number of the last transaction of the host before a reset;
  ///   0 for a new host.
  init(
    settings: HostSettings, name: String, machine: HostMachine, models: [any SMMUModel],
    lastTransaction: UInt64
  ) {
    core = ObjectCore(
      on: machine, pinPolicy: settings.pinPolicy, lastTransaction: lastTransaction)
    encoder = ObjectEncoder(host: name)
    self.machine = machine
    events = EventDrafts(encoder)
    performer = Performer(
      core, on: machine, models: models, events: events, traffic: traffic, encoder)
    core.recorder = events
  }

  // MARK: Looking things up

  /// The object that a request's path names.
  ///
  /// - Throws: `not_found`
  func find<Wanted: Object>(
    _ key: ObjectKey, as type: Wanted.Type = Object.self
  ) throws(Problem) -> Wanted {
    guard let object = core.object(key) as? Wanted else {
      throw Problem(.notFound, "there is no \(key.kind.rawValue) \(key.id)")
    }
    return object
  }

  /// What the streams of those who follow a queue wait for.
  func topic(of key: ObjectKey) -> Topic {
    if let topic = queueTopics[key] { return topic }
    let topic = Topic()
    queueTopics[key] = topic
    return topic
  }

  // MARK: Transactions

  /// Carries something out whole, or not at all.
  ///
  /// - Returns: its events, for the log.
  func run(_ body: () throws(Problem) -> Void) throws(Problem) -> [EventLog.Draft] {
    try start(body)
    core.commit()
    for key in core.transaction.deleted { queueTopics[key] = nil }
    traffic.stopDeleted(of: core)
    return events.drafts
  }

  /// Carries something out, lets `answer` look at the result, and takes it back.
  ///
  /// - Parameter answer: is given the number of events that there would have been.
  func tryOut<Answer>(
    _ body: () throws(Problem) -> Void, _ answer: (UInt64) -> Answer
  ) throws(Problem) -> Answer {
    try start(body)
    defer { core.rollback() }
    return answer(UInt64(events.drafts.count))
  }

  private func start(_ body: () throws(Problem) -> Void) throws(Problem) {
    core.begin()
    events.clear()
    do {
      try body()
    } catch {
      core.rollback()
      throw error
    }
  }
}
