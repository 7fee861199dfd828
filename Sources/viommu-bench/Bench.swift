// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// Measures the server in comparison with the ceiling, a C program over the same library that has
/// nothing to do for a request.
///
/// Rounds of the two alternate, and the result is the median of the ratios of the rounds. So a
/// machine that is busy with something else slows both, and the ratio stays about the same.
@main
struct Bench: ParsableCommand {
  enum Suite: String, CaseIterable, ExpressibleByArgument {
    case requests
    case streams
    case objects
    case start
    case hardware
    case events
    case queues
  }

  static let configuration = CommandConfiguration(
    commandName: "viommu-bench",
    abstract: "Measure viommud against a C server over the same library.")

  @Argument(
    help:
      "What to measure: requests, streams, objects, start, hardware, events, queues. Else all."
  )
  var suites: [Suite] = []

  @Option(help: "The viommud program.")
  var viommud = Program.sibling("viommud")

  @Option(help: "The ceiling program.")
  var ceiling = Program.sibling("viommu-ceiling")

  @Option(help: "Rounds of each measurement of requests.")
  var rounds = 5

  @Option(help: "Seconds that each round takes.")
  var seconds = 2.0

  @Option(parsing: .upToNextOption, help: "Connections of the load generator.")
  var connections = [1, 8, 64]

  @Option(help: "Readers of the event log.")
  var readers = 1000

  @Option(help: "Events that each reader gets.")
  var events = 10_000

  @Option(help: "Records that the hardware raises.")
  var records = 1_000_000

  @Option(help: "Devices to make.")
  var devices = 100_000

  func validate() throws {
    guard rounds > 0, seconds > 0, connections.allSatisfy({ $0 > 0 }), readers > 0, events > 0,
      devices >= 1000, records >= 1000
    else { throw ValidationError("There must be something to measure.") }
  }

  func run() throws {
    try Program.raiseDescriptorLimit()
    let chosen = suites.isEmpty ? Suite.allCases : suites
    if chosen.contains(.requests) {
      try RequestSuite(
        viommud: viommud, ceiling: ceiling, rounds: rounds, seconds: seconds,
        connections: connections
      ).run()
    }
    if chosen.contains(.streams) {
      try StreamSuite(viommud: viommud, readers: readers, events: events).run()
    }
    if chosen.contains(.objects) { try ObjectSuite(viommud: viommud, devices: devices).run() }
    if chosen.contains(.hardware) { try HardwareSuite(rounds: rounds).run() }
    if chosen.contains(.events) { try EventSuite(events: records).run() }
    if chosen.contains(.queues) { try QueueSuite(viommud: viommud, rounds: rounds).run() }
    if chosen.contains(.start) { try StartSuite(viommud: viommud, rounds: rounds * 2).run() }
  }
}

/// Why a measurement is worthless or cannot be made.
struct BenchError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
