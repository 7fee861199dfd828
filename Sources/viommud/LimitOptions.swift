// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import HTTPCore

/// The limits that can be set.
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

  /// - Throws: a `ValidationError` for a limit that leaves nothing.
  func check() throws {
    let all = [
      ("max-body", maxBody), ("max-headers", maxHeaders), ("max-uri", maxURI),
      ("max-depth", maxDepth), ("max-batch", maxBatch), ("max-streams", maxStreams),
      ("max-connections", maxConnections), ("idle-timeout", idleTimeout),
      ("header-timeout", headerTimeout), ("body-timeout", bodyTimeout),
      ("retained-events", retainedEvents),
    ]
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
    limits.body = maxBody
    limits.headers = maxHeaders
    limits.target = maxURI
    limits.jsonDepth = maxDepth
    limits.batch = maxBatch
    limits.streams = maxStreams
    limits.connections = maxConnections
    limits.idleSeconds = idleTimeout
    limits.headerSeconds = headerTimeout
    limits.bodySeconds = bodyTimeout
    return limits
  }
}
