// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@testable import ControlPlane
@testable import IOMMUFD

@Suite struct EventLogTests {
  private static let time = Timestamp(microseconds: 0)
  /// Events of a whole segment.
  private static let segment: UInt64 = 1024

  private func draft(_ type: EventType, _ kind: ObjectKind, _ id: String) -> EventLog.Draft {
    EventLog.Draft(type: type, object: ObjectKey(kind, id), data: Array("{}".utf8))
  }

  /// Appends events of contexts, every tenth of them of the context `rare`.
  private func fill(_ log: EventLog, _ count: Int) {
    for _ in 0..<count {
      let next = log.extent.latest + 1
      log.append(
        [draft(.created(.context), .context, next % 10 == 0 ? "rare" : "usual")], transaction: next,
        time: EventLogTests.time)
    }
  }

  private struct Line {
    let seq: UInt64
    let prev: UInt64
    let id: String
  }

  private func lines(_ bytes: [UInt8]) throws -> [Line] {
    try bytes.split(separator: UInt8(ascii: "\n")).map { line in
      let root = try JSONParser.parse(Array(line)).root
      return Line(
        seq: try #require(root.member("seq")?.quantity),
        prev: try #require(root.member("prev")?.quantity),
        id: root.member("object")?.member("id")?.string ?? "")
    }
  }

  /// Reads all there is in small bites.
  private func read(
    _ log: EventLog, _ cursor: inout EventLog.Cursor, limit: Int = 700
  ) throws -> (lines: [Line], last: EventLog.ReadResult) {
    var bytes: [UInt8] = []
    var result = EventLog.ReadResult.more
    while result == .more { result = log.read(&cursor, as: .ndjson, into: &bytes, limit: limit) }
    return (try lines(bytes), result)
  }

  private func rare() -> EventFilter {
    var filter = EventFilter()
    filter.id = "rare"
    return filter
  }

  @Test func numbersHaveNoHolesAndEachNamesTheOneBefore() throws {
    let log = EventLog(retention: .init())
    log.append([], transaction: 1, time: EventLogTests.time)
    fill(log, 2500)
    var cursor = try #require(log.cursor(after: nil, filter: EventFilter()).cursor)
    let (lines, last) = try read(log, &cursor)
    #expect(last == .caughtUp)
    #expect(lines.map(\.seq) == Array(1...2500))
    #expect(lines.map(\.prev) == Array(0...2499))
  }

  @Test func withAFilterEachNamesTheLastThatMatched() throws {
    let log = EventLog(retention: .init())
    fill(log, 2505)
    var cursor = try #require(log.cursor(after: nil, filter: rare()).cursor)
    let lines = try read(log, &cursor).lines
    #expect(lines.map(\.seq) == (1...250).map { $0 * 10 })
    #expect(lines.map(\.prev) == (0...249).map { $0 * 10 })
    // And so it goes on when more comes.
    fill(log, 10)
    #expect(try read(log, &cursor).lines.map(\.prev) == [2500])
  }

  @Test(arguments: [10, 11, 19, 1024, 2047, 2500] as [UInt64])
  func resumingReaderIsToldWhatMatchedLast(_ after: UInt64) throws {
    let log = EventLog(retention: .init())
    fill(log, 2505)
    fill(log, 10)
    var cursor = try #require(log.cursor(after: after, filter: rare()).cursor)
    let first = try #require(try read(log, &cursor).lines.first)
    #expect(first.seq == after / 10 * 10 + 10)
    #expect(first.prev == after / 10 * 10)
  }

  @Test func readerKnowsWhatItSawLastEvenWhenThatIsTrimmed() throws {
    let log = EventLog(retention: .init(events: 1000, bytes: 1 << 30))
    fill(log, 2048)
    var cursor = try #require(log.cursor(after: nil, filter: rare()).cursor)
    #expect(try read(log, &cursor).lines.last?.seq == 2040)
    fill(log, 1500)
    #expect(log.extent.oldest == 2049)
    let lines = try read(log, &cursor).lines
    #expect(lines.first?.seq == 2050)
    #expect(lines.first?.prev == 2040)
    #expect(zip(lines, lines.dropFirst()).allSatisfy { $1.prev == $0.seq })
    // One who comes anew is told of none before what is kept.
    var late = try #require(log.cursor(after: 2048, filter: rare()).cursor)
    #expect(try read(log, &late).lines.first?.prev == 0)
  }

  @Test func retentionDropsWholeSegmentsAndKeepsWhatItPromises() {
    let log = EventLog(retention: .init(events: 1500, bytes: 1 << 30))
    fill(log, 2523)
    #expect(log.extent.oldest == 1)
    fill(log, 1)
    #expect(log.extent == .init(epoch: 1, oldest: EventLogTests.segment + 1, latest: 2524))
    fill(log, 1023)
    #expect(log.extent.oldest == EventLogTests.segment + 1)
    fill(log, 1)
    #expect(log.extent.oldest == 2 * EventLogTests.segment + 1)
  }

  @Test func retentionByBytesDropsSegmentsToo() {
    let log = EventLog(retention: .init(events: 1 << 30, bytes: 1000))
    fill(log, 1024)
    #expect(log.extent.oldest == 1)
    fill(log, 1)
    #expect(log.extent.oldest == 1)
    fill(log, 20)
    #expect(log.extent.oldest == EventLogTests.segment + 1)
  }

  @Test func readerThatRetentionOvertakesLags() throws {
    let log = EventLog(retention: .init(events: 10, bytes: 1 << 30))
    fill(log, 5)
    var cursor = try #require(log.cursor(after: 2, filter: EventFilter()).cursor)
    fill(log, 1100)
    #expect(try read(log, &cursor).last == .lagged)
    #expect(log.cursor(after: 2, filter: EventFilter()).cursor == nil)
  }

  @Test func cursorMayStandAtEitherEndAndNotBeyond() throws {
    let log = EventLog(retention: .init(events: 10, bytes: 1 << 30))
    fill(log, 1100)
    let extent = log.extent
    #expect(extent.oldest == 1025)
    #expect(log.cursor(after: extent.oldest - 2, filter: EventFilter()).cursor == nil)
    #expect(log.cursor(after: extent.oldest - 1, filter: EventFilter()).cursor != nil)
    #expect(log.cursor(after: extent.latest, filter: EventFilter()).cursor != nil)
    #expect(log.cursor(after: extent.latest + 1, filter: EventFilter()).cursor == nil)
    #expect(log.cursorAtEnd(filter: EventFilter()).cursor?.position == extent.latest)
  }

  @Test func cursorOfAnEarlierEpochIsRefused() throws {
    let log = EventLog(retention: .init())
    fill(log, 20)
    var old = try #require(log.cursor(after: 5, filter: EventFilter()).cursor)
    log.restart(
      .init(type: .hostReset, object: nil, data: Array("{}".utf8)), time: EventLogTests.time)
    #expect(log.extent == .init(epoch: 2, oldest: 21, latest: 21))
    #expect(log.hasNews(for: old))
    #expect(try read(log, &old).last == .over(.reset))
    for after in [0, 5, 20] as [UInt64] {
      #expect(log.cursor(after: after, filter: EventFilter()).cursor == nil)
    }
    #expect(log.cursor(after: 21, filter: EventFilter()).cursor != nil)
    var new = try #require(log.cursor(after: nil, filter: EventFilter()).cursor)
    #expect(try read(log, &new).lines.map(\.seq) == [21])
  }

  @Test func closedLogEndsItsReaders() throws {
    let log = EventLog(retention: .init())
    fill(log, 3)
    var cursor = try #require(log.cursor(after: nil, filter: EventFilter()).cursor)
    #expect(try read(log, &cursor).last == .caughtUp)
    #expect(!log.hasNews(for: cursor))
    log.close()
    #expect(log.hasNews(for: cursor))
    #expect(try read(log, &cursor).last == .over(.deleted))
  }

  @Test func pageEndsWhereItShould() throws {
    let log = EventLog(retention: .init())
    fill(log, 50)
    var upTo = try #require(log.cursor(after: 10, filter: EventFilter()).cursor)
    upTo.end = 20
    let page = try read(log, &upTo)
    #expect(page.lines.map(\.seq) == Array(11...20))
    #expect(page.last == .end)
    var some = try #require(log.cursor(after: nil, filter: rare()).cursor)
    some.remaining = 3
    let three = try read(log, &some)
    #expect(three.lines.map(\.seq) == [10, 20, 30])
    #expect(three.last == .end)
  }

  @Test func lineHasTheEventsPartsInBothFormats() throws {
    let log = EventLog(retention: .init())
    log.append(
      [draft(.vdevTombstoned, .vdev, "x0")], transaction: 7, time: EventLogTests.time)
    log.append(
      [.init(type: .hostReset, object: nil, data: Array(#"{"a":1}"#.utf8))], transaction: nil,
      time: EventLogTests.time)
    let first =
      #"{"type":"vdev.tombstoned","seq":1,"prev":0,"txn":7,"time":"1970-01-01T00:00:00.000000Z","#
      + #""object":{"kind":"vdev","id":"x0"},"data":{}}"#
    let second =
      #"{"type":"host.reset","seq":2,"prev":1,"time":"1970-01-01T00:00:00.000000Z","data":{"a":1}}"#
    let start = try #require(log.cursor(after: nil, filter: EventFilter()).cursor)
    var (plain, framed) = (start, start)
    var bytes: [UInt8] = []
    #expect(log.read(&plain, as: .ndjson, into: &bytes, limit: 10_000) == .caughtUp)
    #expect(String(decoding: bytes, as: UTF8.self) == first + "\n" + second + "\n")
    bytes = []
    #expect(log.read(&framed, as: .eventStream, into: &bytes, limit: 10_000) == .caughtUp)
    #expect(
      String(decoding: bytes, as: UTF8.self)
        == "id: 1\nevent: vdev.tombstoned\ndata: \(first)\n\nid: 2\nevent: host.reset\ndata: \(second)\n\n"
    )
  }
}
