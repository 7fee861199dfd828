// SPDX-License-Identifier: Apache-2.0
import HTTPCore

@testable import ControlPlane
@testable import IOMMUFD

/// One host, the requests of one seed, and a note of all that went wrong.
struct FuzzRun {
  /// What was done to the host and succeeded: all that its state may depend on.
  enum Deed {
    case request(TestRequest, status: Int)
    /// A stream's turn, and the end of one, by the order in which they were opened.
    case produce(Int)
    case close(Int)
  }

  private let world: TestHost
  private let host: Host
  private let policy: ObjectCore.PinPolicy
  private var generator: RequestGenerator
  private var streams: [any StreamSource] = []
  private var openStreams: [Int] = []
  private var image: [UInt8]
  private var deeds: [Deed] = []
  private(set) var faults: [String] = []
  /// How many requests were answered with which status.
  private(set) var statuses: [Int: Int] = [:]
  /// The types of events in the log at the end.
  private(set) var types: Set<String> = []

  private static let name = "t"

  init(seed: UInt64, policy: ObjectCore.PinPolicy) throws {
    self.policy = policy
    (world, host) = try FuzzRun.makeWorld(policy)
    generator = RequestGenerator(seed: seed, prefix: "/v1/hosts/\(FuzzRun.name)")
    image = HostImage.of(host)
  }

  private static func makeWorld(_ policy: ObjectCore.PinPolicy) throws -> (TestHost, Host) {
    let world = try TestHost()
    try world.send(
      .post, "/v1/hosts", "{\"id\":\"\(name)\",\"pin_policy\":\"\(policy.rawValue)\"}")
    return (world, try world.host(name))
  }

  mutating func take(_ count: Int) throws {
    for step in 1...count {
      try handleStreams()
      if step % 20 == 0 { lookAtIDs() }
      let request = generator.next()
      let answer = try world.send(request)
      statuses[answer.status, default: 0] += 1
      try judge(answer, to: request)
      if step % 25 == 0 { faults += HostInvariants.violations(of: host) }
      if step % 250 == 0 { try checkAnswers() }
      if !faults.isEmpty { return }
    }
  }

  /// System calls are to name objects that are there.
  private mutating func lookAtIDs() {
    var ids: [ObjectKind: [UInt32]] = [:]
    try? host.read { state in
      for kind in ObjectKind.allCases {
        state.core.visit(kind, after: nil) { object in
          if let id = object.objectID, object.context?.name == defaultContext {
            ids[kind, default: []].append(id)
          }
          return true
        }
      }
    }
    generator.objectIDs = ids
  }

  // MARK: Steps

  private mutating func judge(_ answer: TestAnswer, to request: TestRequest) throws {
    if answer.status >= 500 { faults.append("\(answer.status) for \(request): \(answer.text)") }
    if !answer.bytes.isEmpty, answer[.contentType]?.hasSuffix("json") ?? false {
      if (try? JSONParser.parse(answer.bytes)) == nil {
        faults.append("no JSON for \(request): \(answer.text)")
      }
    }
    // With Linux an unmap that is refused half way has unmapped the first half. A system call
    // that fails may have written its argument, and done what that says. A guest's invalidations
    // stand up to the one that is refused.
    let isPartial =
      policy == .linux && answer.text.contains("\"unmapped\"")
      || answer.text.contains("\"argument\":\"")
      || request.path.contains("/invalidate") && answer.text.contains("\"handled\"")
    let mayChange =
      (answer.status < 300 || isPartial) && !request.isDryRun && request.method != .head
      && answer[.idempotentReplayed] == nil
    if let stream = answer.stream { open(stream, request) }
    let now = HostImage.of(host)
    if !mayChange {
      if now != image { report("a change by \(answer.status) for \(request)", image, now) }
      if request.isDryRun, answer.status < 400 { try repeatForReal(request, answer) }
      return
    }
    image = now
    var plain = request
    plain.headers = plain.contentType
    deeds.append(.request(plain, status: answer.status))
  }

  /// What a dry run says is what then happens.
  private mutating func repeatForReal(_ dry: TestRequest, _ answer: TestAnswer) throws {
    // Where a raised event goes, and what the log then has, is known only at commit.
    guard generator.random.chance(50), !dry.isDecidedAtCommit else { return }
    guard answer[.idempotentReplayed] == nil else { return }
    var request = dry
    request.path = request.path.replacing("dry_run=true", with: "dry_run=false")
    request.headers = request.contentType
    let real = try world.send(request)
    // What the hardware says meanwhile is in the log too, and takes numbers.
    if real.status != answer.status || Self.unnumbered(real) != Self.unnumbered(answer) {
      faults.append(
        "\(dry)\n said \(answer.status) \(answer.text)\n did \(real.status) \(real.text)")
    }
    image = HostImage.of(host)
    if real.status < 400 { deeds.append(.request(request, status: real.status)) }
  }

  /// An answer without the number of its last event.
  private static func unnumbered(_ answer: TestAnswer) -> String {
    let parts = answer.text.split(separator: "\"seq\":", maxSplits: 1)
    guard parts.count == 2 else { return answer.text }
    return parts[0] + String(parts[1].drop { $0.isNumber })
  }

  private mutating func report(_ what: String, _ before: [UInt8], _ after: [UInt8]) {
    let difference = zip(before, after).prefix { $0 == $1 }.count
    let start = max(0, difference - 200)
    let old = String(decoding: before[start..<min(before.count, difference + 200)], as: UTF8.self)
    let new = String(decoding: after[start..<min(after.count, difference + 200)], as: UTF8.self)
    faults.append("\(what)\n  was \(old)\n  is  \(new)")
  }

  // MARK: Streams

  private mutating func open(_ stream: any StreamSource, _ request: TestRequest) {
    // The server ends the stream of a HEAD without asking it for anything.
    if request.method == .head { return stream.closed() }
    streams.append(stream)
    openStreams.append(streams.count - 1)
  }

  private mutating func handleStreams() throws {
    guard !openStreams.isEmpty, generator.random.chance(30) else { return }
    let position = generator.random.below(openStreams.count)
    let number = openStreams[position]
    if generator.random.chance(60) {
      FuzzRun.produce(streams[number])
      deeds.append(.produce(number))
    } else {
      streams[number].closed()
      deeds.append(.close(number))
      openStreams.remove(at: position)
    }
    image = HostImage.of(host)
  }

  private static func produce(_ stream: any StreamSource) {
    var chunk: [UInt8] = []
    for _ in 0..<100 where stream.produce(into: &chunk, limit: 4096, now: 0) == .ready {}
  }

  // MARK: Checks

  private mutating func checkAnswers() throws {
    for resource in Resource.all {
      for path in try listed(resource) {
        let answer = try world.send(.get, path)
        if answer.status != 200 { faults.append("GET \(path) gives \(answer.status)") }
      }
    }
    let lines = world.log(of: host).split(separator: "\n")
    if lines.count != Int(host.log.extent.latest - host.log.extent.oldest) + 1 {
      faults.append("the log has holes")
    }
  }

  private func listed(_ resource: Resource) throws -> [String] {
    let answer = try world.send(
      .get, "/v1/hosts/\(FuzzRun.name)/\(resource.collection)?limit=1000")
    let items = try answer.json("items")?.elements ?? []
    return items.compactMap { $0.member("self")?.string }
  }

  /// Ends the run: the deeds alone make the same host, and taking all away leaves nothing.
  mutating func finish() throws {
    guard faults.isEmpty else { return }
    let (twinWorld, twin) = try FuzzRun.makeWorld(policy)
    try repeatDeeds(twinWorld)
    let other = HostImage.of(twin)
    if other != image { report("refusals and dry runs have left a trace", other, image) }
    let (log, twinLog) = (world.log(of: host), twinWorld.log(of: twin))
    if log != twinLog { report("the logs differ", Array(twinLog.utf8), Array(log.utf8)) }
    for number in openStreams { streams[number].closed() }
    for line in log.split(separator: "\n") {
      if let type = try JSONParser.parse(Array(line.utf8)).root.member("type")?.string {
        types.insert(type)
      }
    }
    try takeAllAway()
  }

  private mutating func repeatDeeds(_ world: TestHost) throws {
    var streams: [any StreamSource] = []
    for deed in deeds {
      switch deed {
      case .request(let request, let status):
        let answer = try world.send(request)
        if let stream = answer.stream { streams.append(stream) }
        if answer.status != status {
          faults.append("\(request) gave \(status), and gives a twin \(answer.text)")
          return
        }
      case .produce(let number): FuzzRun.produce(streams[number])
      case .close(let number): streams[number].closed()
      }
    }
  }

  private mutating func takeAllAway() throws {
    for kind in ObjectKind.allCases.reversed() {
      for path in try listed(Resource.of(kind)) where !path.hasSuffix("/smmu0") {
        let answer = try world.send(.delete, path + "?cascade=true&allow_missing=true")
        if answer.status >= 400 { faults.append("DELETE \(path) gives \(answer.text)") }
      }
    }
    faults += HostInvariants.violations(of: host) + HostRemains.violations(of: host)
  }
}
