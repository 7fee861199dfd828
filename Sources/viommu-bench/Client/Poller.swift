// SPDX-License-Identifier: Apache-2.0
// Not for the library: the C library's module leaves epoll out.
internal import CMicroHTTPD

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Waits for sockets that have something to read.
@safe final class Poller {
  private let descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
  // A union in C, of which only the number is used.
  private var events = unsafe [epoll_event](repeating: epoll_event(), count: 256)

  deinit { close(descriptor) }

  /// - Parameter tag: what `wait` is to say when the socket is readable.
  func add(_ socket: Int32, tag: Int) {
    var event = unsafe epoll_event()
    unsafe event.events = EPOLLIN.rawValue
    unsafe event.data.u64 = UInt64(tag)
    _ = unsafe epoll_ctl(descriptor, EPOLL_CTL_ADD, socket, &event)
  }

  /// Calls `body` for each readable socket; returns without any after `milliseconds`.
  func wait(milliseconds: Int32, _ body: (Int) throws -> Void) rethrows {
    let count = unsafe epoll_wait(descriptor, &events, Int32(events.count), milliseconds)
    for index in 0..<max(0, Int(count)) {
      try body(Int(unsafe events[index].data.u64))
    }
  }
}
