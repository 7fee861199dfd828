// SPDX-License-Identifier: Apache-2.0
import SeededRandom

/// What is sent on one connection, and how.
struct FuzzConnection {
  var bytes: [UInt8] = []
  /// How many requests the bytes were made of before some of them were spoilt.
  var requests = 0
  /// In how many calls the bytes are sent.
  var pieces = 1
  /// Whether the client disconnects without reading an answer.
  var leavesAtOnce = false
}

/// Makes up connections. Each has some requests of words from the vocabulary, many of them spoilt.
struct RequestGenerator {
  private static let mostRequests = 8

  private var random: SplitMix64

  init(seed: UInt64) { random = SplitMix64(seed: seed) }

  mutating func nextConnection() -> FuzzConnection {
    var connection = FuzzConnection()
    connection.requests = Int.random(in: 1...RequestGenerator.mostRequests, using: &random)
    for _ in 0..<connection.requests {
      var request = nextRequest()
      if random.once(in: 4) { Mutation.spoil(&request, &random) }
      connection.bytes += request
    }
    if random.once(in: 6) { Mutation.spoil(&connection.bytes, &random) }
    // If the framing is still intact, this makes the server close the connection, so that nobody
    // has to wait for more.
    connection.bytes += "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8
    connection.pieces = random.once(in: 3) ? Int.random(in: 2...20, using: &random) : 1
    connection.leavesAtOnce = random.once(in: 8)
    return connection
  }

  /// A request that succeeds if the right ones have come before it.
  private mutating func plausibleRequest() -> [UInt8] {
    let words = pick(Vocabulary.plausible).split(separator: " ", maxSplits: 2)
    let body = words.count > 2 ? String(words[2]) : ""
    let fields =
      "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
    return Array("\(words[0]) \(words[1]) HTTP/1.1\r\n\(fields)\r\n\(body)".utf8)
  }

  private mutating func nextRequest() -> [UInt8] {
    if random.once(in: 2) { return plausibleRequest() }
    let method = pick(Vocabulary.methods)
    let version = random.once(in: 20) ? pick(Vocabulary.versions) : "HTTP/1.1"
    var request = Array("\(method) \(nextTarget()) \(version)\r\nHost: localhost\r\n".utf8)
    while random.once(in: 3) { request += Array((pick(Vocabulary.fields) + "\r\n").utf8) }
    if method == "GET" || method == "DELETE" || method == "HEAD" {
      return request + Array("\r\n".utf8)
    }
    if !random.once(in: 10) { request += "Content-Type: application/json\r\n".utf8 }
    let body = Array(pick(Vocabulary.bodies).utf8)
    if random.once(in: 5) {
      let size = String(body.count, radix: 16)
      return request + Array("Transfer-Encoding: chunked\r\n\r\n\(size)\r\n".utf8) + body
        + Array("\r\n0\r\n\r\n".utf8)
    }
    return request + Array("Content-Length: \(body.count)\r\n\r\n".utf8) + body
  }

  private mutating func nextTarget() -> String {
    var target = random.once(in: 8) ? "" : "/v1"
    target += "/" + pick(Vocabulary.collections)
    if random.once(in: 2) { target += "/" + pick(Vocabulary.identifiers) }
    if random.once(in: 3) { target += "/" + pick(Vocabulary.actions) }
    if random.once(in: 3) { target += "?" + pick(Vocabulary.queries) }
    return target
  }

  private mutating func pick(_ words: [String]) -> String {
    words[Int.random(in: 0..<words.count, using: &random)]
  }
}
