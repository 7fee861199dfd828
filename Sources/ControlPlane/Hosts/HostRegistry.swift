// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import Locking

/// All hosts, by their names. `default` is always among them.
final class HostRegistry: Sendable {
  /// The number of hosts that there may be at once. Each takes some hundred kilobytes at least.
  static let limit = 10_000

  struct State {
    var hosts: [String: Host] = [:]
    /// The names of hosts that are being made: somebody else's already, and nobody's host yet.
    var reserved: Set<String> = []
    /// The number in the last name that the server made up.
    var counter = 0
  }

  private let configuration: ControlPlane.Configuration
  private let state: Locked<State>
  /// The answers to requests with a key that are about hosts as such. Their lock is held while such
  /// a request is carried out, so that a repetition on another thread waits for its answer.
  private let replies = Locked(IdempotencyStore())
  /// The host `default`, to which most requests go; it is found without the lock.
  private let usual: Host

  init(_ configuration: ControlPlane.Configuration) throws(Problem) {
    self.configuration = configuration
    let settings =
      configuration.topology.first { $0.id == defaultHost }
      ?? HostSettings(id: defaultHost, models: configuration.models)
    usual = try HostRegistry.make(defaultHost, settings, configuration)
    var state = State()
    state.hosts[defaultHost] = usual
    for settings in configuration.topology {
      guard let name = settings.id, name != defaultHost else { continue }
      state.hosts[name] = try HostRegistry.make(name, settings, configuration)
    }
    self.state = Locked(state)
  }

  private static func make(
    _ name: String, _ settings: HostSettings, _ configuration: ControlPlane.Configuration
  ) throws(Problem) -> Host {
    try Host(
      name: name, settings: settings, models: configuration.models,
      retention: .init(
        events: configuration.retainedEvents, bytes: configuration.retainedBytes),
      clock: configuration.clock)
  }

  func host(_ name: String) -> Host? {
    name == defaultHost ? usual : state.withLock { $0.hosts[name] }
  }

  /// All hosts, in the order of their names.
  var all: [Host] {
    state.withLock { Array($0.hosts.values) }.sorted { $0.name < $1.name }
  }

  /// Gives access to the answers that were given to requests with a key.
  func withReplies<Result>(
    _ body: (inout IdempotencyStore) -> Result
  ) -> Result { replies.withLock { body(&$0) } }

  /// What came of a request for a host.
  enum Made {
    case made(Host)
    case existed(Host)
  }

  /// Makes a host, unless the very same is there already.
  ///
  /// - Parameter isEnsured: whether a host that is there already will do, when it was made in the
  ///   same way.
  /// - Throws: `exists`, `exhausted`, or the problem with the objects that the host is to start
  ///   with.
  func make(
    _ settings: HostSettings, isEnsured: Bool, isDryRun: Bool
  ) throws(Problem) -> Made {
    // A host can have a long way to be made. Meanwhile others are found without waiting for it.
    let reservation = try state.withLock { state throws(Problem) in
      try HostRegistry.reserve(settings, isEnsured, &state)
    }
    let name: String
    let number: Int
    switch reservation {
    case .existed(let host): return .existed(host)
    case .reserved(let reserved, let last): (name, number) = (reserved, last)
    }
    // The settings bear the name also when the server made it up, so that a PUT of the same host
    // under that name finds it unchanged.
    var settings = settings
    settings.id = name
    let made: Host
    do throws(Problem) {
      made = try HostRegistry.make(name, settings, configuration)
    } catch {
      state.withLock { _ = $0.reserved.remove(name) }
      throw error
    }
    state.withLock { state in
      state.reserved.remove(name)
      guard !isDryRun else { return }
      state.hosts[name] = made
      state.counter = max(state.counter, number)
    }
    return .made(made)
  }

  private static func reserve(
    _ settings: HostSettings, _ isEnsured: Bool, _ state: inout State
  ) throws(Problem) -> Reservation {
    if let name = settings.id, let existing = state.hosts[name] {
      if isEnsured, existing.settings == settings { return .existed(existing) }
      throw Problem(.exists, "host \(name) exists already")
    }
    if let name = settings.id, state.reserved.contains(name) {
      throw Problem(.exists, "host \(name) is being made by another request")
    }
    guard state.hosts.count + state.reserved.count < HostRegistry.limit else {
      throw Problem(.exhausted, "there are \(HostRegistry.limit) hosts already")
    }
    var number = state.counter
    let name = settings.id ?? HostRegistry.nextName(in: state, &number)
    state.reserved.insert(name)
    return .reserved(name: name, number: number)
  }

  /// What a request for a host finds.
  private enum Reservation {
    case existed(Host)
    /// The name is kept for the host until it is there.
    case reserved(name: String, number: Int)
  }

  private static func nextName(in state: State, _ number: inout Int) -> String {
    var name: String
    repeat {
      number += 1
      name = "host-\(number)"
    } while state.hosts[name] != nil || state.reserved.contains(name)
    return name
  }

  /// - Throws: `not_found`, or `busy` for the host that always exists.
  func remove(_ name: String, isDryRun: Bool) throws(Problem) {
    if name == defaultHost {
      throw Problem(.busy, "host \(defaultHost) always exists; POST /v1/reset makes it as new")
    }
    let host = try state.withLock { state throws(Problem) in
      guard let host = state.hosts[name] else {
        throw Problem(.notFound, "there is no host \(name)")
      }
      if !isDryRun { state.hosts[name] = nil }
      return host
    }
    // Nobody finds the host any more. Those who have found it go first.
    if !isDryRun { host.gate.submit(configuration.workers) { host.close() } }
  }
}
