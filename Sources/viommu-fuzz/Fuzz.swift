// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Sends malformed and random requests to a server on this machine, and checks that it survives.
///
/// The same seed sends the same bytes. The tool finds crashes, hangs, answers that are not HTTP,
/// and answers in which the server reports an internal error. It does not know which answer would
/// be the right one.
@main
struct Fuzz: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "viommu-fuzz",
    abstract: "Send malformed and mutated HTTP requests to a server on this machine.")

  @Argument(help: "The server's loopback address and port.")
  var address: String = "127.0.0.1:8080"

  @Option(help: "What the requests are drawn from.")
  var seed: UInt64 = 1

  @Option(help: "How many requests to send.")
  var requests: Int = 100_000

  @Option(help: "The path of a request that must always be answered with 200.")
  var probe: String = "/livez"

  @Option(help: "Connections between two probes.")
  var burst: Int = 50

  func validate() throws {
    guard requests > 0, burst > 0 else {
      throw ValidationError("There must be something to send.")
    }
    _ = try target()
  }

  private func target() throws -> LoopbackAddress {
    guard let target = LoopbackAddress(parsing: address) else {
      throw ValidationError("\(address) is not a loopback address with a port.")
    }
    return target
  }

  func run() throws {
    let target = try target()
    var generator = RequestGenerator(seed: seed)
    var tally = Tally()
    try probe(target, after: [])
    while tally.requests < requests {
      var sent: [[UInt8]] = []
      for _ in 0..<burst where tally.requests < requests {
        let connection = generator.nextConnection()
        sent.append(connection.bytes)
        let answer = try exchange(target, connection, after: sent)
        tally.note(connection, answer)
        if let complaint = AnswerCheck.complaint(about: answer) {
          throw Failure(complaint, seed: seed, sent: [connection.bytes], answer: answer)
        }
      }
      try probe(target, after: sent)
    }
    print(tally.summary(seed: seed))
  }

  private func exchange(
    _ target: LoopbackAddress, _ connection: FuzzConnection, after sent: [[UInt8]]
  ) throws -> [UInt8] {
    guard let client = LoopbackClient(target) else {
      throw Failure("the server takes no connections", seed: seed, sent: sent, answer: [])
    }
    client.send(connection.bytes, pieces: connection.pieces)
    // Some clients disconnect without reading. The others read only for a short while, because a
    // stream that a request may have asked for does not end.
    if connection.leavesAtOnce { return [] }
    client.finishSending()
    return client.read(atMost: 1 << 20, patienceMilliseconds: 100)
  }

  private func probe(_ target: LoopbackAddress, after sent: [[UInt8]]) throws {
    let request = "GET \(probe) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    let client = LoopbackClient(target)
    client?.send(Array(request.utf8), pieces: 1)
    let answer = client?.read(atMost: 1 << 20, patienceMilliseconds: 5000) ?? []
    guard answer.starts(with: "HTTP/1.1 200 ".utf8) else {
      throw Failure("the probe was not answered", seed: seed, sent: sent, answer: answer)
    }
  }
}

/// Counts what was sent, and the statuses of the answers.
struct Tally {
  private(set) var requests = 0
  private var connections = 0
  private var bytes = 0
  /// How many answers had a status of each class, by the first digit.
  private var byClass = [Int](repeating: 0, count: 6)

  mutating func note(_ connection: FuzzConnection, _ answer: [UInt8]) {
    requests += connection.requests
    connections += 1
    bytes += connection.bytes.count
    for status in AnswerCheck.statuses(in: answer) where status < 600 {
      byClass[status / 100] += 1
    }
  }

  func summary(seed: UInt64) -> String {
    let classes = (1...5).map { "\($0)xx \(byClass[$0])" }.joined(separator: ", ")
    return "seed \(seed): \(requests) requests on \(connections) connections, \(bytes) bytes; "
      + "answers: \(classes)"
  }
}

/// Something that no input may make a server do, with what was sent before it.
struct Failure: Error, CustomStringConvertible {
  let description: String

  init(_ complaint: String, seed: UInt64, sent: [[UInt8]], answer: [UInt8]) {
    let dump = sent.suffix(3).map { "sent: " + Failure.escaped($0) }.joined(separator: "\n")
    description =
      "seed \(seed): \(complaint)\n\(dump)\nanswer: \(Failure.escaped(answer))"
  }

  private static func escaped(_ bytes: [UInt8]) -> String {
    bytes.prefix(4096).map { byte in
      byte >= 0x20 && byte < 0x7f ? String(UnicodeScalar(byte)) : "\\x" + String(byte, radix: 16)
    }.joined()
  }
}

/// Checks what can be checked of an answer without knowing which one would be right.
enum AnswerCheck {
  /// What is wrong with an answer, in words; nil if nothing is.
  static func complaint(about answer: [UInt8]) -> String? {
    if answer.isEmpty { return nil }
    let start = Array("HTTP/1.1 ".utf8)
    if !answer.starts(with: start.prefix(answer.count)) { return "the answer is not HTTP" }
    let text = String(decoding: answer, as: UTF8.self)
    if text.contains("\"code\":\"internal\"") { return "the server blames itself" }
    return nil
  }

  /// The statuses of all responses in an answer, found by how a status line begins.
  static func statuses(in answer: [UInt8]) -> [Int] {
    let mark = Array("HTTP/1.1 ".utf8)
    var result: [Int] = []
    var index = 0
    while index + mark.count + 3 <= answer.count {
      if answer[index] == mark[0], answer[index..<(index + mark.count)].elementsEqual(mark) {
        let digits = answer[(index + mark.count)..<(index + mark.count + 3)]
        if let status = Int(String(decoding: digits, as: UTF8.self)), status >= 100 {
          result.append(status)
        }
      }
      index += 1
    }
    return result
  }
}
