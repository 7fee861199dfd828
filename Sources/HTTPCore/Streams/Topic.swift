// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// Is told when a topic is published. Each loop of the server that has streams of a topic is one
/// listener, whatever the number of its streams.
public protocol TopicListener: AnyObject, Sendable {
  /// Hears that a topic was published. The publishing thread calls it, and may hold locks
  /// meanwhile. So it must be quick, and must not take a lock under which topics are published.
  func topicDidPublish(_ topic: Topic)
}

/// Something that has news from time to time, for which streams wait.
///
/// To publish it tells each listening loop once, and the loop then looks after its own streams. So
/// the cost of publishing does not grow with the number of readers.
public final class Topic: Sendable {
  private let listeners = Locked<[any TopicListener]>([])
  private let isWatched = Atomic<Bool>(false)

  /// Makes a topic to which nobody listens yet.
  public init() {}

  /// Tells all listeners that there is news. The calling thread may hold locks.
  public func publish() {
    guard isWatched.load(ordering: .acquiring) else { return }
    listeners.withLock { listeners in
      for listener in listeners { listener.topicDidPublish(self) }
    }
  }

  /// Adds a listener, which the topic keeps alive until `unsubscribe`.
  public func subscribe(_ listener: any TopicListener) {
    listeners.withLock { listeners in
      listeners.append(listener)
      isWatched.store(true, ordering: .releasing)
    }
  }

  /// Removes a listener, which is told of nothing that is published after this call.
  public func unsubscribe(_ listener: any TopicListener) {
    listeners.withLock { listeners in
      listeners.removeAll { $0 === listener }
      isWatched.store(!listeners.isEmpty, ordering: .releasing)
    }
  }
}
