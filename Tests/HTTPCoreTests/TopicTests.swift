// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Synchronization
import Testing

/// Counts what it is told.
private final class CountingListener: TopicListener {
  let count = Atomic<Int>(0)

  func topicDidPublish(_ topic: Topic) { count.add(1, ordering: .relaxed) }

  var heard: Int { count.load(ordering: .relaxed) }
}

@Suite struct TopicTests {
  @Test func publishTellsEachListenerOnce() {
    let topic = Topic()
    let (first, second) = (CountingListener(), CountingListener())
    topic.subscribe(first)
    topic.subscribe(second)
    topic.publish()
    topic.publish()
    #expect(first.heard == 2)
    #expect(second.heard == 2)
  }

  @Test func publishWithoutListenersTellsNobody() {
    let topic = Topic()
    topic.publish()
    let late = CountingListener()
    topic.subscribe(late)
    #expect(late.heard == 0)
  }

  @Test func unsubscribedListenerIsNoLongerTold() {
    let topic = Topic()
    let (gone, staying) = (CountingListener(), CountingListener())
    topic.subscribe(gone)
    topic.subscribe(staying)
    topic.unsubscribe(gone)
    topic.publish()
    #expect(gone.heard == 0)
    #expect(staying.heard == 1)
    topic.unsubscribe(staying)
    topic.publish()
    #expect(staying.heard == 1)
  }
}
