// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// What the load generator sends. Each connection repeats its steps over and over, and sends a
/// request when the answer to the one before has come.
struct Workload: Sendable {
  struct Step: Sendable {
    let request: [UInt8]
    /// The status that the answer must have; 0 if any will do.
    let status: Int
  }

  let name: String
  /// Makes the steps of a connection from the connection's index.
  let steps: @Sendable (Int) -> [Step]
}

/// Keeps connections busy and counts the answers.
///
/// It runs on the same machine as the server that it measures, so that it must use little processor
/// time. It has one thread, and makes one call to read an answer and one to send the next request.
final class LoadGenerator {
  private final class Connection {
    let client: Client
    let steps: [Workload.Step]
    var step = 0
    /// The beginning of an answer of which the rest has not come yet.
    var received: [UInt8] = []

    init(_ client: Client, _ steps: [Workload.Step]) {
      self.client = client
      self.steps = steps
    }
  }

  private let connections: [Connection]
  private let poller = Poller()
  private var buffer = [UInt8](repeating: 0, count: 1 << 16)

  init(port: UInt16, connections: Int, workload: Workload) throws {
    self.connections = try (0..<connections).map { index in
      Connection(try Client(port: port), workload.steps(index))
    }
    for (index, connection) in self.connections.enumerated() {
      poller.add(connection.client.descriptor, tag: index)
    }
  }

  /// Keeps the connections busy for a while.
  ///
  /// - Returns: how many answers came, and the time that they took, in seconds.
  func run(seconds: Double) throws -> (answers: Double, seconds: Double) {
    for connection in connections { sendNext(connection) }
    let start = Clock.now()
    let deadline = start + UInt64(seconds * 1e9)
    var answers = 0
    while Clock.now() < deadline {
      try poller.wait(milliseconds: 100) { index in
        let connection = connections[index]
        if try receive(connection) {
          answers += 1
          sendNext(connection)
        }
      }
    }
    let duration = Clock.seconds(since: start)
    // Every connection goes on to the end of its steps, so that the next run finds the objects on
    // the server that it expects.
    for connection in connections {
      while try !receive(connection) {}
      while connection.step != 0 {
        sendNext(connection)
        while try !receive(connection) {}
      }
    }
    return (Double(answers), duration)
  }

  private func sendNext(_ connection: Connection) {
    connection.client.send(connection.steps[connection.step].request)
  }

  /// Reads the bytes that have come on a connection.
  ///
  /// - Returns: whether an answer is complete with them.
  private func receive(_ connection: Connection) throws -> Bool {
    let count = unsafe recv(connection.client.descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { throw BenchError("the server has closed a connection") }
    // Nearly always one call brings the whole answer, so that no bytes have to be kept.
    if connection.received.isEmpty, let answer = ResponseParser.parse(buffer, count: count) {
      try finish(connection, answer.status)
      return true
    }
    connection.received += buffer[..<count]
    let answer = ResponseParser.parse(connection.received, count: connection.received.count)
    guard let answer else { return false }
    connection.received.removeAll(keepingCapacity: true)
    try finish(connection, answer.status)
    return true
  }

  private func finish(_ connection: Connection, _ status: Int) throws {
    let step = connection.steps[connection.step]
    guard step.status == 0 || step.status == status else {
      let request = String(decoding: step.request.prefix(80), as: UTF8.self)
      throw BenchError("\(status) instead of \(step.status) for \(request)")
    }
    connection.step = (connection.step + 1) % connection.steps.count
  }
}
