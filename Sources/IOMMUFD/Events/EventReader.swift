// SPDX-License-Identifier: Apache-2.0
import Locking

/// Whoever follows an event queue, as the queue knows it: a function to call when there is
/// something to read (`wait_queue` of `struct iommufd_eventq`).
final class EventReader: Sendable {
  private let body = LockedFunction<Void, Void>()

  /// Sets the function that is called; nil when nobody follows the queue any more.
  func set(_ wake: (@Sendable () -> Void)?) {
    guard let wake else { return body.set(nil) }
    body.set { wake() }
  }

  /// Calls the function. No lock is held meanwhile, because the function may do anything.
  func wake() { body(()) }
}
