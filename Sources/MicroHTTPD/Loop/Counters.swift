// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// What a server has done since it was started, as of one moment.
public struct ServerCounters: Sendable, Equatable {
  public var connectionsAccepted: UInt64 = 0
  public var connectionsOpen: UInt64 = 0
  /// Requests whose header section was read whole, the refused ones among them.
  public var requests: UInt64 = 0
  /// Requests that were refused for their framing or for a limit, before the program saw them.
  public var requestsRefused: UInt64 = 0
  /// Connections that were cut because a request took too long to arrive.
  public var requestsTimedOut: UInt64 = 0
  public var responses2xx: UInt64 = 0
  public var responses3xx: UInt64 = 0
  public var responses4xx: UInt64 = 0
  public var responses5xx: UInt64 = 0
  public var streamsStarted: UInt64 = 0
  public var streamsOpen: UInt64 = 0
  /// Bytes of request bodies.
  public var bodyBytesReceived: UInt64 = 0
  /// Bytes of response bodies handed to the library.
  public var bodyBytesSent: UInt64 = 0
}

/// A number that the loop's thread changes and any thread reads.
struct Counter: ~Copyable {
  private let value = Atomic<UInt64>(0)

  /// With one writer, a load and a store do; an atomic addition would cost a bus lock.
  func add(_ amount: UInt64 = 1) {
    value.store(value.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  func subtract(_ amount: UInt64 = 1) {
    value.store(value.load(ordering: .relaxed) &- amount, ordering: .relaxed)
  }

  var current: UInt64 { value.load(ordering: .relaxed) }
}

/// The counters of one server.
final class CounterCells: Sendable {
  let connectionsAccepted = Counter()
  let connectionsOpen = Counter()
  let requests = Counter()
  let requestsRefused = Counter()
  let requestsTimedOut = Counter()
  let responses2xx = Counter()
  let responses3xx = Counter()
  let responses4xx = Counter()
  let responses5xx = Counter()
  let streamsStarted = Counter()
  let streamsOpen = Counter()
  let bodyBytesReceived = Counter()
  let bodyBytesSent = Counter()

  func countResponse(_ status: Int) {
    switch status {
    case 200..<300: responses2xx.add()
    case 300..<400: responses3xx.add()
    case 400..<500: responses4xx.add()
    default: responses5xx.add()
    }
  }

  var snapshot: ServerCounters {
    var result = ServerCounters()
    result.connectionsAccepted = connectionsAccepted.current
    result.connectionsOpen = connectionsOpen.current
    result.requests = requests.current
    result.requestsRefused = requestsRefused.current
    result.requestsTimedOut = requestsTimedOut.current
    result.responses2xx = responses2xx.current
    result.responses3xx = responses3xx.current
    result.responses4xx = responses4xx.current
    result.responses5xx = responses5xx.current
    result.streamsStarted = streamsStarted.current
    result.streamsOpen = streamsOpen.current
    result.bodyBytesReceived = bodyBytesReceived.current
    result.bodyBytesSent = bodyBytesSent.current
    return result
  }
}
