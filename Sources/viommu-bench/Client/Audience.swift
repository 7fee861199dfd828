// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Many readers of one event log, each of which must get every event, in order.
struct Audience {
  private var readers: [EventReader]
  private let poller = Poller()
  private var buffer = [UInt8](repeating: 0, count: 1 << 18)
  /// How many readers do not have the event yet that `wait` waits for.
  private var behind = 0

  /// The number of the last event that every reader has.
  private(set) var latestSeq = 0

  init(port: UInt16, readers: Int) throws {
    self.readers = try (0..<readers).map { _ in try EventReader(port: port) }
    for (index, reader) in self.readers.enumerated() {
      poller.add(reader.client.descriptor, tag: index)
    }
  }

  /// Reads until every reader has had its `hello` and the event with this number, or fails after a
  /// minute.
  mutating func wait(forSeq seq: Int) throws {
    behind = readers.count { !$0.hasSaidHello || $0.seq < seq }
    let deadline = Clock.now() + 60_000_000_000
    while behind > 0 {
      guard Clock.now() < deadline else { throw BenchError("\(behind) readers are behind") }
      var readable: [Int] = []
      poller.wait(milliseconds: 1000) { readable.append($0) }
      for index in readable {
        let wasBehind = !readers[index].hasSaidHello || readers[index].seq < seq
        try readers[index].read(&buffer)
        let isBehind = !readers[index].hasSaidHello || readers[index].seq < seq
        if wasBehind, !isBehind { behind -= 1 }
      }
    }
    latestSeq = max(latestSeq, seq)
  }
}

/// One reader of the event log, which checks that the numbers of the events have no holes.
struct EventReader {
  let client: Client
  /// The number of the last event that has come; 0 before the first.
  private(set) var seq = 0
  private(set) var hasSaidHello = false
  private var chunks = ChunkDecoder()
  /// What has come since the last whole line.
  private var text: [UInt8] = []

  init(port: UInt16) throws {
    client = try Client(port: port)
    client.send(Request.text("GET", "/v1/events?follow=true"))
  }

  mutating func read(_ buffer: inout [UInt8]) throws {
    let count = unsafe recv(client.descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { throw BenchError("a stream has ended") }
    chunks.decode(buffer[..<count], into: &text)
    var start = 0
    let end = text.count
    while let lineEnd = EventReader.newline(in: text, from: start, to: end) {
      try takeLine(start, lineEnd)
      start = lineEnd + 1
    }
    text.removeSubrange(..<start)
  }

  private static func newline(in text: [UInt8], from start: Int, to end: Int) -> Int? {
    unsafe text.withUnsafeBytes { bytes in
      // The range that is searched lies within the text.
      guard start < end, let base = bytes.baseAddress,
        let found = unsafe memchr(base + start, 0x0a, end - start)
      else { return nil }
      return unsafe UnsafeRawPointer(found) - base
    }
  }

  private mutating func takeLine(_ start: Int, _ end: Int) throws {
    let kind = start + "{\"type\":\"".utf8.count
    let isNoEvent = end > kind + 4 && text[kind + 4] == UInt8(ascii: "\"")
    if isNoEvent, text[kind] == UInt8(ascii: "m") { return }
    if end > kind + 5, text[kind..<(kind + 5)].elementsEqual("hello".utf8) {
      hasSaidHello = true
      return
    }
    guard let number = number(start, end) else {
      let line = String(decoding: text[start..<end], as: UTF8.self)
      throw BenchError("an event has no number: \(line)")
    }
    guard seq == 0 || number == seq + 1 else {
      throw BenchError("event \(number) comes after event \(seq)")
    }
    seq = number
  }

  /// The number behind the first `"seq":` in a line; nil if it has none.
  private func number(_ start: Int, _ end: Int) -> Int? {
    var index = start
    while index + 6 < end {
      if text[index] == UInt8(ascii: "\""), text[index + 1] == UInt8(ascii: "s"),
        text[index + 2] == UInt8(ascii: "e"), text[index + 3] == UInt8(ascii: "q"),
        text[index + 4] == UInt8(ascii: "\"")
      {
        var value = 0
        index += 6
        while index < end, text[index] >= 0x30, text[index] <= 0x39 {
          value = value * 10 + Int(text[index] - 0x30)
          index += 1
        }
        return value
      }
      index += 1
    }
    return nil
  }
}

/// Decodes a response that comes in chunks, wherever the reads happen to cut it.
struct ChunkDecoder {
  private enum State {
    /// In the header section; so many of the four bytes that end it have been seen.
    case head(Int)
    /// In the line with the size of a chunk, of which the digits so far have this value.
    case size(Int)
    /// In a chunk, of which so many bytes are still to come.
    case body(Int)
    /// Behind a chunk; so many bytes of the end of the line are still to come.
    case bodyEnd(Int)
  }

  private var state = State.head(0)

  mutating func decode(_ bytes: ArraySlice<UInt8>, into text: inout [UInt8]) {
    var index = bytes.startIndex
    while index < bytes.endIndex {
      if case .body(let left) = state {
        let end = min(bytes.endIndex, index + left)
        text += bytes[index..<end]
        state = end - index == left ? .bodyEnd(2) : .body(left - (end - index))
        index = end
        continue
      }
      take(bytes[index])
      index += 1
    }
  }

  private mutating func take(_ byte: UInt8) {
    switch state {
    case .head(let seen):
      let expected = seen % 2 == 0 ? UInt8(ascii: "\r") : UInt8(ascii: "\n")
      let now = byte == expected ? seen + 1 : byte == UInt8(ascii: "\r") ? 1 : 0
      state = now == 4 ? .size(0) : .head(now)
    case .size(let size):
      switch byte {
      case UInt8(ascii: "\n"): state = .body(size)
      case UInt8(ascii: "0")...UInt8(ascii: "9"): state = .size(size << 4 | Int(byte & 0xf))
      case UInt8(ascii: "\r"): break
      default: state = .size(size << 4 | Int((byte & 0xf) + 9))
      }
    case .body: break
    case .bodyEnd(let left): state = left == 1 ? .size(0) : .bodyEnd(left - 1)
    }
  }
}
