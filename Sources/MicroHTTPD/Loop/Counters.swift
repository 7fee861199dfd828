// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Something that a server counts from its start on, or, as `…Open`, that is at present.
public enum ServerCounter: Int, CaseIterable, Sendable {
  /// Connections that were accepted.
  case connectionsAccepted
  /// Connections that are open.
  case connectionsOpen
  /// Requests whose header section was read whole, the refused ones among them.
  case requests
  /// Requests that were refused for their framing or for a limit, before the program saw them.
  case requestsRefused
  /// Connections that were cut because a request took too long to arrive.
  case requestsTimedOut
  /// Responses with a status of 200 to 299.
  case responses2xx
  /// Responses with a status of 300 to 399.
  case responses3xx
  /// Responses with a status of 400 to 499.
  case responses4xx
  /// Responses with a status of 500 and above.
  case responses5xx
  /// Streams that were started.
  case streamsStarted
  /// Streams that are open.
  case streamsOpen
  /// Bytes of request bodies.
  case bodyBytesReceived
  /// Bytes of response bodies that were handed to the library.
  case bodyBytesSent
  /// Times that accepting had to wait, for room among the connections or for a descriptor.
  case acceptPauses
  /// Turns of a loop that took more than `ServerLoop.slowTurn`, during which its other clients
  /// waited.
  case slowTurns

  /// The counter of the responses with a status.
  static func responses(_ status: Int) -> ServerCounter {
    switch status {
    case 200..<300: .responses2xx
    case 300..<400: .responses3xx
    case 400..<500: .responses4xx
    default: .responses5xx
    }
  }
}

/// What a server has counted, as of one moment.
public struct ServerCounters: Sendable, Equatable {
  private var values: [UInt64] = Array(repeating: 0, count: ServerCounter.allCases.count)

  /// The value of a counter.
  public internal(set) subscript(counter: ServerCounter) -> UInt64 {
    get { values[counter.rawValue] }
    set { values[counter.rawValue] = newValue }
  }

  /// Adds what another part of the server has counted.
  static func += (left: inout ServerCounters, right: ServerCounters) {
    for counter in ServerCounter.allCases { left[counter] &+= right[counter] }
  }
}

/// The counters of one loop: its thread changes them, and any thread reads them.
final class CounterCells: Sendable {
  private static let count = 15
  private let cells = InlineArray<15, Atomic<UInt64>> { _ in Atomic(0) }

  init() {
    precondition(CounterCells.count == ServerCounter.allCases.count, "each counter has a cell")
  }

  /// With one writer, a load and a store do; an atomic addition would cost a bus lock.
  func add(_ amount: UInt64 = 1, to counter: ServerCounter) {
    let value = cells[counter.rawValue].load(ordering: .relaxed)
    cells[counter.rawValue].store(value &+ amount, ordering: .relaxed)
  }

  /// Takes one away from what is at present.
  func subtract(from counter: ServerCounter) { add(.max, to: counter) }

  subscript(counter: ServerCounter) -> UInt64 { cells[counter.rawValue].load(ordering: .relaxed) }

  var snapshot: ServerCounters {
    var result = ServerCounters()
    for counter in ServerCounter.allCases { result[counter] = self[counter] }
    return result
  }
}
