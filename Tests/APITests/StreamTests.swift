// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@Suite("Event streams")
struct EventStreamTests {
  private func seqs(_ lines: [JSON]) -> [Int] {
    lines.filter { !$0["prev"].isNull }.map { $0["seq"].int! }
  }

  @Test(
    "A page has a greeting, every event once and in order, and a place to go on from",
    arguments: Transport.allCases)
  func page(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    let answer = try api.get("/v1/events")
    #expect(answer["Content-Type"] == "application/x-ndjson")
    let lines = answer.lines
    #expect(lines[0].description == #"{"type":"hello","epoch":"e1","oldest":1,"latest":6}"#)
    #expect(seqs(lines) == [1, 2, 3, 4, 5, 6])
    #expect(lines.last?.description == #"{"type":"mark","seq":6}"#)
    #expect(seqs(try api.get("/v1/events?after=2&limit=3").lines) == [3, 4, 5])
    #expect(try api.get("/v1/events?after=7").status == 410)
    #expect(try api.get("/v1/events?after=999999999999999999").status == 410)
    #expect(try api.get("/v1/events?after=x").status == 422)
    #expect(try api.send("HEAD", "/v1/events").status == 200)
  }

  @Test("With a filter, prev names the event before it that matches", arguments: Transport.allCases)
  func filters(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    try api.makeNested()
    func links(_ query: String) throws -> [[Int]] {
      try api.get("/v1/events?" + query).lines.filter { !$0["prev"].isNull }
        .map { [$0["prev"].int!, $0["seq"].int!] }
    }
    #expect(try links("kind=domain") == [[0, 5], [5, 7]])
    #expect(try links("kind=domain&after=5") == [[5, 7]])
    #expect(try links("type=domain.created&id=n0&after=6") == [[0, 7]])
    #expect(try api.get("/v1/events?type=nonsense").status == 422)
  }

  @Test(
    "Server-Sent Events carry the same, and Last-Event-ID resumes", arguments: Transport.allCases)
  func serverSentEvents(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    let answer = try api.get(
      "/v1/events", headers: ["Accept": "text/event-stream", "Last-Event-ID": "5"])
    #expect(answer["Content-Type"] == "text/event-stream")
    let frames = answer.text.split(separator: "\n\n")
    #expect(frames.count == 3)
    #expect(
      frames[1].hasPrefix(
        "id: 6\nevent: viommu.created\ndata: {\"type\":\"viommu.created\",\"seq\":6"))
  }

  @Test("A snapshot shows the objects, then the events behind it", arguments: Transport.allCases)
  func snapshot(_ transport: Transport) throws {
    let api = try API(transport).furnish()
    let lines = try api.get("/v1/events?snapshot=true&kind=domain").lines
    #expect(lines.map { $0["type"].string } == ["hello", "snapshot", "mark"])
    #expect(lines[1]["object"]["id"].string == "s2")
    #expect(lines[2]["seq"].int == 6)
  }

  @Test("A follower hears at once of what happens, and of its end")
  func follow() throws {
    let api = try API(.overSocket)
    let stream = try api.stream("/v1/events?follow=true&after=latest")
    #expect(stream.head["Transfer-Encoding"] == "chunked")
    #expect(try stream.next()?["type"].string == "hello")
    for index in 0..<100 {
      try api.make("ioas", #"{"id":"io\#(index)"}"#)
      #expect(try stream.next()?["object"]["id"].string == "io\(index)")
    }
    try api.post("/v1/reset")
    let bye = try stream.next()
    #expect(bye?["type"].string == "bye")
    #expect(bye?["reason"].string == "reset")
    #expect(try stream.next() == nil)
  }

  @Test("A follower of a queue pins it, and a cascade ends it with a goodbye")
  func followQueue() throws {
    let api = try API(.overSocket).furnish()
    try api.makeVDev()
    try api.makeNested()
    try api.makeQueue(depth: 1)
    try api.attach("n0")
    let stream = try api.stream("/v1/veventqs/q0/events?follow=true")
    #expect(try stream.next()?["object"].key == "veventq/q0")
    #expect(try api.delete("/v1/veventqs/q0").json["pinned_by"][0]["why"].string == "open file")
    for sequence in 0..<20 {
      try api.raise()
      let event = try stream.next("vevent")
      #expect(event?["sequence"].int == sequence)
    }
    #expect(try api.delete("/v1/veventqs/q0?cascade=true").status == 200)
    #expect(try stream.next("bye")?["type"].string == "bye")
    #expect(try stream.next() == nil)
  }

  @Test("Closing a queue's file ends its followers, and the queue keeps its events")
  func closeFile() throws {
    let api = try API(.overSocket).furnish()
    try api.makeVDev()
    try api.makeNested()
    try api.makeQueue()
    try api.attach("n0")
    let stream = try api.stream("/v1/veventqs/q0/events?follow=true")
    #expect(try stream.next()?["type"].string == "hello")
    #expect(try api.delete("/v1/veventqs/q0/file").status == 200)
    #expect(try stream.next("bye")?["reason"].string == "closed")
    #expect(try stream.next() == nil)
    try api.raise()
    #expect(try api.get("/v1/veventqs/q0").json["pending"].int == 1)
    #expect(try api.delete("/v1/veventqs/q0").status == 200)
  }

  @Test("A reader that the log has overtaken is told so, and ends")
  func lagged() throws {
    let api = try API(.overSocket) { $0.retainedEvents = 2000 }
    let stream = try api.stream("/v1/events?follow=true&after=0")
    stream.client.limitReceiveBuffer(to: 4096)
    var operations: [String] = []
    for _ in 0..<1000 {
      operations.append(
        #"{"method":"POST","path":"/v1/ioas","body":{"id":"x"}},{"method":"DELETE","path":"/v1/ioas/x"}"#
      )
    }
    let batch = #"{"operations":[\#(operations.joined(separator: ","))]}"#
    for _ in 0..<10 { #expect(try api.post("/v1/batch", batch).status == 200) }
    var last = 0
    while let line = try stream.next() {
      if line["type"].string == "lagged" {
        #expect(line["oldest"].int! > line["seq"].int! + 1)
        #expect(try stream.next() == nil)
        return
      }
      if let seq = line["seq"].int, !line["prev"].isNull {
        #expect(seq == last + 1)
        last = seq
      }
    }
    Issue.record("the stream ended without a word")
  }
}
