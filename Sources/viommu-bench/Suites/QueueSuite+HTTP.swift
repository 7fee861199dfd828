// SPDX-License-Identifier: Apache-2.0
import IOMMUHardware
import Locking

/// Measures a guest's queue over HTTP, as clients of the server use it.
extension QueueSuite {
  private static let entries = 65_536

  func overHTTP() throws {
    let program = try Program.viommud(viommud)
    let client = try Client(port: program.port)
    for (status, path, body) in QueueSuite.guest {
      try client.expect(status, "POST", "/v1/" + path, body)
    }
    try client.expect(200, "PUT", "/v1/devices/d/attachment", #"{"domain":"n0"}"#)
    try client.expect(200, "PUT", "/v1/viommus/v/mmio/0x8", #"{"value":1}"#)
    try submit(client)
    try signal(client, program.port)
  }

  /// The requests that make a guest with a queue: status, path and body of each.
  private static let guest = [
    (201, "ioas", #"{"id":"ram"}"#),
    (201, "devices", #"{"id":"d","smmu":"smmu0","stream_id":66}"#),
    (
      201, "domains",
      #"{"id":"s2","type":"paging","device":"d","ioas":"ram","nest_parent":true}"#
    ),
    (200, "ioas/ram/map", #"{"iova":"0x40000000","length":"0x400000"}"#),
    (201, "viommus", #"{"id":"v","type":"tegra241-cmdqv","device":"d","domain":"s2"}"#),
    (201, "vdevs", #"{"id":"vd","viommu":"v","device":"d","virt_id":16}"#),
    (
      201, "hw-queues",
      #"{"id":"q","viommu":"v","type":"tegra241-cmdqv","index":0,"iova":"0x40000000","#
        + #""length":1048576}"#
    ),
    (201, "veventqs", #"{"id":"e","viommu":"v","type":"tegra241-cmdqv","depth":100000}"#),
    (
      201, "domains",
      #"{"id":"n0","type":"nested","device":"d","viommu":"v","ste":["0x1","0x0"]}"#
    ),
    (
      201, "domains",
      #"{"id":"n1","type":"nested","device":"d","viommu":"v","ste":["0x9","0x0"]}"#
    ),
  ]

  /// Submits full rings of commands in one request each, whose answers describe none of the
  /// commands.
  private func submit(_ client: Client) throws {
    let command = Command.tlbiNHVA(vmid: 3, asid: 9, address: 0x1000)
    let bytes = command.words.flatMap { word in
      (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) }
    }
    let body = Array(repeatElement(bytes, count: QueueSuite.entries).joined())
    let head =
      "POST /v1/hw-queues/q/submit?describe=0 HTTP/1.1\r\nHost: localhost\r\n"
      + "Content-Type: application/octet-stream\r\nContent-Length: \(body.count)\r\n\r\n"
    let request = Array(head.utf8) + body
    var times: [Double] = []
    for _ in 0..<rounds * 4 {
      let start = Clock.now()
      let response = try client.exchange(request)
      times.append(Clock.seconds(since: start))
      guard response.status == 200 else { throw BenchError("submit: \(response.text)") }
    }
    let best = times.min() ?? 1
    Table.title("Full rings of \(QueueSuite.entries) commands over HTTP")
    Table.row("ns", Table.fraction(best * 1e9 / Double(QueueSuite.entries)))
    Table.row("M/s", Table.fraction(Double(QueueSuite.entries) / best / 1e6))
  }

  // MARK: Events

  /// How many times one request acknowledges the error of the queue. Each time the queue stops
  /// again at the same command, which is one more event.
  private static let acknowledgements = 1000

  /// Measures how fast the errors of a queue become events, first alone, and then while another
  /// client moves the device between domains.
  private func signal(_ client: Client, _ port: UInt16) throws {
    let body = #"{"commands":[["0x3","0x0"]]}"#
    try client.expect(200, "POST", "/v1/hw-queues/q/submit", body)
    let alone = try errors(client)
    let attacher = Locked(Attacher())
    let rate = Locked<Double?>(nil)
    Threads.run(2) { index in
      // Each thread has a connection of its own.
      guard let own = try? Client(port: port) else { return }
      if index == 0 {
        let measured = try? errors(own)
        rate.withLock { $0 = measured }
        attacher.withLock { $0.isOver = true }
      } else {
        while attach(own, attacher) {}
      }
    }
    guard let busy = rate.withLock({ $0 }) else {
      throw BenchError("no event came while a client attached")
    }
    let result = attacher.withLock { $0 }
    Table.title("Errors of a queue, from the command to the veventq, over HTTP")
    Table.row("", "events/s", "attaches", "slowest ms")
    Table.row("alone", Table.number(alone))
    Table.row(
      "while attaching", Table.number(busy), Table.number(Double(result.count)),
      Table.fraction(result.slowest * 1000))
    Table.row("times alone", Table.fraction(busy / alone))
  }

  private struct Attacher {
    var isOver = false
    var count = 0
    /// The time that the slowest attach took, in seconds.
    var slowest = 0.0
  }

  /// Moves the device from one nested domain to the other.
  ///
  /// - Returns: whether there is more to do; false when the measurement is over or the move failed.
  private func attach(
    _ client: Client, _ attacher: Locked<Attacher>
  ) -> Bool {
    let turn = attacher.withLock { $0.isOver ? nil : $0.count }
    guard let turn else { return false }
    let start = Clock.now()
    let domain = "{\"domain\":\"n\(turn % 2)\"}"
    guard (try? client.expect(200, "PUT", "/v1/devices/d/attachment", domain)) != nil else {
      return false
    }
    let time = Clock.seconds(since: start)
    attacher.withLock {
      $0.count += 1
      $0.slowest = max($0.slowest, time)
    }
    return true
  }

  /// Has the queue err again and again, and reads the events.
  ///
  /// - Returns: how many events came per second.
  private func errors(_ client: Client) throws -> Double {
    let steps = (0..<QueueSuite.acknowledgements).map { index in
      "{\"method\":\"PUT\",\"path\":\"/v1/viommus/v/mmio/0x14\",\"body\":"
        + "{\"value\":\((index + 1) % 2)}}"
    }
    let body = "{\"operations\":[" + steps.joined(separator: ",") + "]}"
    let count = rounds * 10
    let start = Clock.now()
    for _ in 0..<count {
      try client.expect(200, "POST", "/v1/batch", body)
      try client.expect(200, "GET", "/v1/veventqs/e/events?limit=1000")
    }
    return Double(count * QueueSuite.acknowledgements) / Clock.seconds(since: start)
  }
}
