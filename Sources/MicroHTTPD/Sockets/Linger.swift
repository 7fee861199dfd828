// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Sockets of clients that were answered before they had sent everything.
///
/// Closing a socket with unread bytes resets the connection, and the reset can overtake the
/// answer. So a second descriptor keeps the socket, what still comes is thrown away, and the
/// socket is closed when the client has closed, or after a while (RFC 9112, section 9.6).
struct Linger {
  static let longest: UInt64 = 2_000_000_000
  /// A client that sends more than this has had its chance.
  private static let most = 64 << 20
  /// Beyond so many, sockets are closed at once.
  private static let capacity = 256

  private var open: [Int32: (deadline: UInt64, received: Int)] = [:]

  var isEmpty: Bool { open.isEmpty }

  /// Takes a second descriptor for the socket; nil when there is no room.
  mutating func take(_ socket: Int32, now: UInt64) -> Int32? {
    guard open.count < Linger.capacity else { return nil }
    let descriptor = fcntl(socket, F_DUPFD_CLOEXEC, 0)
    guard descriptor >= 0 else { return nil }
    open[descriptor] = (now + Linger.longest, 0)
    return descriptor
  }

  /// Throws away what has come.
  ///
  /// - Parameter scratch: room to read into.
  /// - Returns: whether the socket was closed.
  mutating func drain(_ descriptor: Int32, scratch: inout [UInt8]) -> Bool {
    guard var state = open[descriptor] else { return true }
    let count = unsafe scratch.withUnsafeMutableBytes {
      unsafe read(descriptor, $0.baseAddress, $0.count)
    }
    if count < 0, errno == EAGAIN || errno == EINTR { return false }
    state.received += max(0, count)
    guard count > 0, state.received <= Linger.most else {
      drop(descriptor)
      return true
    }
    open[descriptor] = state
    return false
  }

  /// Closes what has lingered long enough.
  ///
  /// - Returns: whether there was any.
  mutating func closeExpired(now: UInt64) -> Bool {
    let expired = open.filter { $0.value.deadline <= now }
    for descriptor in expired.keys { drop(descriptor) }
    return !expired.isEmpty
  }

  mutating func closeAll() {
    for descriptor in open.keys { drop(descriptor) }
  }

  private mutating func drop(_ descriptor: Int32) {
    open[descriptor] = nil
    close(descriptor)
  }
}
