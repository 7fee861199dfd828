// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Measures the event log with many readers and one more client that never reads.
struct StreamSuite {
  private static let singleEvents = 100
  /// How many events are committed together.
  private static let batch = 100

  let viommud: String
  let readers: Int
  let events: Int

  func run() throws {
    let program = try Program.viommud(viommud)
    let writer = try Client(port: program.port)
    Table.title("\(readers) readers of the event log")
    let before = try program.residentMemory()
    var audience = try Audience(port: program.port, readers: readers)
    try audience.wait(forSeq: 0)
    let perStream = (try program.residentMemory() - before) / readers
    Table.row("memory of an idle stream", Table.number(Double(perStream)) + " bytes")
    let stalled = try Client(port: program.port, receiveBuffer: 4096)
    stalled.send(Request.text("GET", "/v1/events?follow=true"))

    try single(writer, &audience)
    try many(program.port, &audience)
    let after = try program.residentMemory()
    Table.row("memory afterwards", Table.number(Double(after)) + " bytes")
    Table.row("answers meanwhile", "\(try writer.get("/readyz").status)")
    withExtendedLifetime(stalled) {}
  }

  /// Makes one event at a time, and waits until all readers have it.
  private func single(_ writer: Client, _ audience: inout Audience) throws {
    var times: [Double] = []
    for index in 0..<StreamSuite.singleEvents {
      let start = Clock.now()
      try writer.expect(201, "POST", "/v1/ioas", "{\"id\":\"s\(index)\"}")
      try audience.wait(forSeq: audience.latestSeq + 1)
      times.append(Clock.seconds(since: start) * 1000)
    }
    let sorted = times.sorted()
    Table.row("commit to last reader, median", Table.fraction(median(times)) + " ms")
    Table.row("99th percentile", Table.fraction(sorted[sorted.count * 99 / 100]) + " ms")
  }

  /// Makes events in batches as fast as possible, by a client of its own, while the readers read.
  private func many(_ port: UInt16, _ audience: inout Audience) throws {
    let first = audience.latestSeq
    let count = events / StreamSuite.batch * StreamSuite.batch
    let start = Clock.now()
    // The task blocks a thread of Swift's pool, which does no harm, since nothing else here uses
    // it.
    Task.detached { try StreamSuite.write(count, port) }
    try audience.wait(forSeq: first + count)
    let seconds = Clock.seconds(since: start)
    Table.row("events in order at every reader", Table.number(Double(count)))
    Table.row("committed", Table.number(Double(count) / seconds) + " events/s")
    Table.row("delivered", Table.number(Double(count * readers) / seconds) + " events/s")
  }

  private static func write(_ count: Int, _ port: UInt16) throws {
    let writer = try Client(port: port)
    for start in stride(from: 0, to: count, by: batch) {
      let operations = (0..<batch).map { index in
        "{\"method\":\"POST\",\"path\":\"/v1/ioas\",\"body\":{\"id\":\"m\(start + index)\"}}"
      }
      let body = "{\"operations\":[\(operations.joined(separator: ","))]}"
      try writer.expect(200, "POST", "/v1/batch", body)
    }
  }
}
