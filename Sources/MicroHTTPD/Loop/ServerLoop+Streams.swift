// SPDX-License-Identifier: Apache-2.0
import HTTPCore

extension ServerLoop {
  func openStream(_ source: any StreamSource, on connection: Connection) -> StreamedBody {
    let stream = StreamedBody(
      source: source, connection: connection, subscription: subscription(to: source.topic))
    streams[connection.socket] = stream
    counters.add(to: .streamsStarted)
    counters.add(to: .streamsOpen)
    if isDraining { source.finish(reason: .drain) }
    return stream
  }

  func streamClosed(_ stream: StreamedBody, on socket: Int32, _ subscription: Subscription) {
    streams[socket] = nil
    counters.subtract(from: .streamsOpen)
    shared.closeStream()
    guard subscription.streamCount == 0 else { return }
    subscription.topic.unsubscribe(subscription)
    subscriptions[ObjectIdentifier(subscription.topic)] = nil
  }

  /// The stream's first call for bytes comes after this, so what was published before is not
  /// missed.
  private func subscription(to topic: Topic) -> Subscription {
    if let known = subscriptions[ObjectIdentifier(topic)] { return known }
    let new = Subscription(topic: topic, mailbox: mailbox)
    subscriptions[ObjectIdentifier(topic)] = new
    topic.subscribe(new)
    return new
  }
}
