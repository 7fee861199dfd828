// SPDX-License-Identifier: Apache-2.0

/// Measures what an object costs when there are many, and whether the last costs more than the
/// first.
struct ObjectSuite {
  private static let sample = 1000
  private static let page = 1000

  let viommud: String
  let devices: Int

  func run() throws {
    let program = try Program.viommud(viommud)
    let client = try Client(port: program.port)
    Table.title("\(devices) devices")
    // There must be a stream ID for each device.
    let bits = max(16, Int.bitWidth - devices.leadingZeroBitCount)
    try client.expect(201, "POST", "/v1/smmus", "{\"id\":\"big\",\"stream_id_bits\":\(bits)}")
    let before = try program.residentMemory()
    var times: [Double] = []
    times.reserveCapacity(devices)
    let start = Clock.now()
    for index in 0..<devices {
      let body = "{\"id\":\"d\(index)\",\"smmu\":\"big\",\"stream_id\":\(index)}"
      let sent = Clock.now()
      try client.expect(201, "POST", "/v1/devices", body)
      times.append(Clock.seconds(since: sent) * 1e6)
    }
    let total = Clock.seconds(since: start)
    let early = Array(times[(ObjectSuite.sample / 2)..<ObjectSuite.sample])
    let late = Array(times.suffix(ObjectSuite.sample / 2))
    Table.row("POST, at \(ObjectSuite.sample) devices", Table.fraction(median(early)) + " us")
    Table.row("POST, at \(devices) devices", Table.fraction(median(late)) + " us")
    Table.row("POST, on the whole", Table.number(Double(devices) / total) + " /s")
    let memory = try program.residentMemory() - before
    Table.row("memory of a device", Table.number(Double(memory) / Double(devices)) + " bytes")
    try list(client)
  }

  private func list(_ client: Client) throws {
    var cursor: String?
    var times: [Double] = []
    repeat {
      let path = "/v1/devices?limit=\(ObjectSuite.page)" + (cursor.map { "&cursor=\($0)" } ?? "")
      let start = Clock.now()
      let response = try client.expect(200, "GET", path)
      times.append(Clock.seconds(since: start) * 1000)
      cursor = ObjectSuite.next(in: response.body)
    } while cursor != nil
    let count = (devices + ObjectSuite.page - 1) / ObjectSuite.page
    guard times.count == count, let first = times.first, let last = times.last else {
      throw BenchError("the listing has \(times.count) pages instead of \(count)")
    }
    Table.row("first page of \(ObjectSuite.page)", Table.fraction(first) + " ms")
    Table.row("last page", Table.fraction(last) + " ms")
    Table.row("median page", Table.fraction(median(times)) + " ms")
  }

  /// The cursor at the end of a page of the listing; nil on the last page.
  private static func next(in body: [UInt8]) -> String? {
    let tail = String(decoding: body.suffix(600), as: UTF8.self)
    guard let name = tail.ranges(of: "\"next\":\"").last else { return nil }
    return String(tail[name.upperBound...].prefix { $0 != "\"" })
  }
}
