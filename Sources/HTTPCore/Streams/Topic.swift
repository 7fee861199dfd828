// SPDX-License-Identifier: Apache-2.0
import Locking
import Synchronization

/// Who is told when a topic has news: one for each server loop that has streams of it.
public protocol TopicListener: AnyObject, Sendable {
  /// Must be short: it is called by the thread that publishes, which may hold locks.
  func topicDidPublish(_ topic: Topic)
}

/// Something that streams wait for.
///
/// A publish tells each listening loop once, whatever the number of its streams: so the cost of
/// publishing does not grow with the readers.
public final class Topic: Sendable {
  private let listeners = Locked<[any TopicListener]>([])
  private let isWatched = Atomic<Bool>(false)

  /// A topic to which nobody listens yet.
  public init() {}

  /// Tells everybody who listens. The thread that calls it may hold locks.
  public func publish() {
    guard isWatched.load(ordering: .acquiring) else { return }
    listeners.withLock { listeners in
      for listener in listeners { listener.topicDidPublish(self) }
    }
  }

  /// Adds a listener, which is held until it is taken out.
  public func subscribe(_ listener: any TopicListener) {
    listeners.withLock { listeners in
      listeners.append(listener)
      isWatched.store(true, ordering: .releasing)
    }
  }

  /// Takes a listener out; it is told of nothing that is published from then on.
  public func unsubscribe(_ listener: any TopicListener) {
    listeners.withLock { listeners in
      listeners.removeAll { $0 === listener }
      isWatched.store(!listeners.isEmpty, ordering: .releasing)
    }
  }
}
