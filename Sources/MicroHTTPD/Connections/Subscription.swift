// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Synchronization

/// The loop's interest in one topic, and the streams that wait for it.
///
/// `topicDidPublish` comes from any thread and touches nothing but the flag and the mailbox; the
/// rest belongs to the loop.
final class Subscription: TopicListener, @unchecked Sendable {
  let topic: Topic
  private let mailbox: Mailbox
  private let isPublished = Atomic<Bool>(false)
  private var waiting: [StreamedBody] = []
  /// Streams that read the topic, waiting or not.
  var streamCount = 0

  init(topic: Topic, mailbox: Mailbox) {
    self.topic = topic
    self.mailbox = mailbox
  }

  func topicDidPublish(_ topic: Topic) {
    if !isPublished.exchange(true, ordering: .acquiringAndReleasing) { mailbox.put(self) }
  }

  func addWaiting(_ stream: StreamedBody) {
    stream.waitingIndex = waiting.count
    waiting.append(stream)
  }

  func removeWaiting(_ stream: StreamedBody) {
    guard let index = stream.waitingIndex, let last = waiting.last else { return }
    waiting[index] = last
    last.waitingIndex = index
    waiting.removeLast()
    stream.waitingIndex = nil
  }

  /// Resumes the streams that have something to send.
  func deliver(now: UInt64) {
    // Lowered first: a publish from here on comes as new mail.
    _ = isPublished.exchange(false, ordering: .acquiringAndReleasing)
    wakeReady(now: now)
  }

  /// The same without a publish: no wake-up may be a stream's only chance.
  func wakeReady(now: UInt64) {
    // Resuming takes a stream out and puts the last one, which was looked at, in its place.
    for index in waiting.indices.reversed() {
      let stream = waiting[index]
      if stream.source.isReady(now: now) { stream.resume() }
    }
  }
}
