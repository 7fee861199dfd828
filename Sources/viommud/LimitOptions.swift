// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import HTTPCore

/// The options that set limits.
struct LimitOptions: ParsableArguments {
  private static let usual = Limits()

  @Option(help: "Bytes of a request's body.")
  var maxBody = usual.body

  @Option(help: "Bytes of a request's header section.")
  var maxHeaders = usual.headers

  @Option(help: "Bytes of a request's target.")
  var maxURI = usual.target

  @Option(help: "Depth of a JSON body.")
  var maxDepth = usual.jsonDepth

  @Option(help: "Operations of a batch.")
  var maxBatch = usual.batch

  @Option(help: "Open streams.")
  var maxStreams = usual.streams

  @Option(help: "Open connections.")
  var maxConnections = usual.connections

  @Option(help: "Seconds in which nothing moves on a connection before it is closed.")
  var idleTimeout = usual.idleSeconds

  @Option(help: "Seconds that a header section may take.")
  var headerTimeout = usual.headerSeconds

  @Option(help: "Seconds that a body may take.")
  var bodyTimeout = usual.bodySeconds

  @Option(help: "Events that a host's log keeps.")
  var retainedEvents = 100_000

  /// Each option, with the limit that it sets.
  private var settings: [(option: String, value: Int, limit: WritableKeyPath<Limits, Int>)] {
    [
      ("max-body", maxBody, \.body), ("max-headers", maxHeaders, \.headers),
      ("max-uri", maxURI, \.target), ("max-depth", maxDepth, \.jsonDepth),
      ("max-batch", maxBatch, \.batch), ("max-streams", maxStreams, \.streams),
      ("max-connections", maxConnections, \.connections),
      ("idle-timeout", idleTimeout, \.idleSeconds),
      ("header-timeout", headerTimeout, \.headerSeconds),
      ("body-timeout", bodyTimeout, \.bodySeconds),
    ]
  }

  /// - Throws: a `ValidationError` for a limit that leaves no room, and for one that is more than
  ///   the server can have.
  func check() throws {
    let all = settings.map { ($0.option, $0.value) } + [("retained-events", retainedEvents)]
    for (name, value) in all where value < 1 {
      throw ValidationError("--\(name): must be at least 1")
    }
    if maxHeaders > 24 << 10 { throw ValidationError("--max-headers: at most 24576") }
    if maxURI > maxHeaders { throw ValidationError("--max-uri: at most --max-headers") }
    if maxDepth > 512 { throw ValidationError("--max-depth: at most 512") }
    if maxBody > 1 << 30 { throw ValidationError("--max-body: at most 1073741824") }
  }

  var values: Limits {
    var limits = Limits()
    for setting in settings { limits[keyPath: setting.limit] = setting.value }
    return limits
  }
}
