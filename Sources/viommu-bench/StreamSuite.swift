// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The event log with many readers, one of whom never reads.
struct StreamSuite {
  private static let singleEvents = 100

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
    try many(writer, &audience)
    let after = try program.residentMemory()
    Table.row("memory afterwards", Table.number(Double(after)) + " bytes")
    Table.row("answers meanwhile", "\(try writer.get("/readyz").status)")
    withExtendedLifetime(stalled) {}
  }

  /// One event at a time, each to all readers.
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

  /// Events as fast as they can be made, in batches.
  private func many(_ writer: Client, _ audience: inout Audience) throws {
    let first = audience.latestSeq
    let batch = 100
    let start = Clock.now()
    var made = 0
    while made < events {
      let operations = (0..<batch).map { index in
        "{\"method\":\"POST\",\"path\":\"/v1/ioas\",\"body\":{\"id\":\"m\(made + index)\"}}"
      }
      let body = "{\"operations\":[\(operations.joined(separator: ","))]}"
      writer.send(Request.text("POST", "/v1/batch", body))
      // The readers are read while the answer is on its way, or they would be what is measured.
      made += batch
      try audience.wait(forSeq: first + made)
      _ = try writer.exchange([])
    }
    let seconds = Clock.seconds(since: start)
    let delivered = Double(made) * Double(readers)
    Table.row("events in order at every reader", Table.number(Double(made)))
    Table.row("delivered", Table.number(delivered / seconds) + " events/s")
    Table.row("committed", Table.number(Double(made) / seconds) + " events/s")
  }
}
