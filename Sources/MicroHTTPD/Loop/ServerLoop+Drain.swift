// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// How far the end of a server is.
struct Drain {
  enum Step {
    case none
    /// Streams say goodbye, and the requests that were there when the drain began are answered.
    /// New ones are accepted, answered, and their connections closed.
    case finishing
    /// This loop has answered what there was; others have not, and so new connections still come.
    case waiting
    /// The listeners are closed, and the last connections end.
    case closing
    case over
  }

  var step = Step.none
  var deadline: UInt64 = 0
  /// Requests from before the drain.
  var requestsLeft = 0
  /// Whether no more connections will come.
  var listenersAreClosed = false

  var isUnderWay: Bool { step != .none }
  var isOver: Bool { step == .over }
}

/// The graceful stop.
extension ServerLoop {
  var isDraining: Bool { drain.isUnderWay }

  func beginDrain(deadline: UInt64) {
    guard !drain.isUnderWay else { return }
    drain.step = .finishing
    drain.deadline = deadline
    for connection in connections {
      if case .idle = connection.phase { continue }
      connection.isDrained = true
      drain.requestsLeft += 1
    }
    for stream in Array(streams.values) {
      stream.source.finish(reason: .drain)
      stream.resume()
    }
  }

  /// Takes the next step when the present one is done, or the time is up.
  func advanceDrain() {
    let isLate = now >= drain.deadline
    if drain.step == .finishing, isLate || (streams.isEmpty && drain.requestsLeft == 0) {
      drain.step = .waiting
      shared.loopIsDone()
    }
    if drain.step == .waiting, drain.listenersAreClosed {
      drain.step = .closing
      // A connection that is between requests has nothing to lose.
      for connection in connections {
        if case .idle = connection.phase { connection.shutDown() }
      }
    }
    if drain.step == .closing {
      if connections.isEmpty {
        drain.step = .over
      } else if isLate {
        cutOffEverything()
        drain.step = .over
      }
    }
  }

  /// The library aborts the process when it is stopped with a suspended connection.
  private func cutOffEverything() {
    for connection in connections {
      connection.isAborted = true
      if case .waiting = connection.phase { connection.resume() }
      connection.shutDown()
    }
    for stream in Array(streams.values) { stream.resume() }
    runDaemon()
  }
}
