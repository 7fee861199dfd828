// SPDX-License-Identifier: Apache-2.0
// For epoll, which the C library's module does not export, and not for libmicrohttpd.
internal import CMicroHTTPD

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Waits, by epoll, for sockets that have something to read.
@safe final class Poller {
  private let descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
  // The data of an event is a union in C, of which only the member `u64` is used.
  private var events = unsafe [epoll_event](repeating: epoll_event(), count: 256)

  deinit { close(descriptor) }

  /// Adds a socket.
  ///
  /// - Parameter tag: what `wait` passes to its function when the socket has something to read.
  func add(_ socket: Int32, tag: Int) {
    var event = unsafe epoll_event()
    unsafe event.events = EPOLLIN.rawValue
    unsafe event.data.u64 = UInt64(tag)
    _ = unsafe epoll_ctl(descriptor, EPOLL_CTL_ADD, socket, &event)
  }

  /// Waits until at least one socket has something to read, and calls `body` with the tag of each.
  /// If none has within `milliseconds`, it returns without a call.
  func wait(milliseconds: Int32, _ body: (Int) throws -> Void) rethrows {
    let count = unsafe epoll_wait(descriptor, &events, Int32(events.count), milliseconds)
    for index in 0..<max(0, Int(count)) {
      try body(Int(unsafe events[index].data.u64))
    }
  }
}
