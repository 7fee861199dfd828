// SPDX-License-Identifier: Apache-2.0
import Locking

/// Whoever follows an event queue, as its FIFO knows it: something to call when there is news
/// (`wait_queue` of `struct iommufd_eventq`).
final class EventReader: Sendable {
  private let body = LockedFunction<Void, Void>()

  /// Sets what is called when there is news; nil when nobody follows the queue any more.
  func set(_ wake: (@Sendable () -> Void)?) {
    guard let wake else { return body.set(nil) }
    body.set { wake() }
  }

  /// Tells of news. It is called with no lock held, because it may do anything.
  func wake() { body(()) }
}
