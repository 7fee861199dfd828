// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// `close`, where a method of that name is in the way.
func closeDescriptor(_ descriptor: Int32) {
  close(descriptor)
}

/// The few system calls that the server makes itself.
enum SystemCall {
  /// Throws the errno of a call that answered with a negative number.
  @discardableResult
  static func check(_ call: String, _ result: Int32) throws(ServerError) -> Int32 {
    if result < 0 { throw .system(call: call, errno: errno) }
    return result
  }

  static func text(of errno: Int32) -> String {
    // strerror returns a string of the C library, or one of the calling thread.
    unsafe String(cString: strerror(errno))
  }

  static func setOption(_ socket: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    // A socket that has just failed refuses options; whoever reads it next finds out why.
    _ = unsafe setsockopt(socket, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// A socket's option that is a number; nil if the descriptor has no such option.
  static func option(_ socket: Int32, _ level: Int32, _ name: Int32) -> Int32? {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return unsafe getsockopt(socket, level, name, &value, &length) == 0 ? value : nil
  }

  /// Bounds how long sending waits for whoever is to receive.
  static func limitSendTime(of socket: Int32, toSeconds seconds: Int) {
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    // Every socket has this option.
    _ = unsafe setsockopt(
      socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  }

  /// Bounds what the kernel keeps for a client that does not read.
  static func limitSendBuffer(of socket: Int32, to bytes: Int32) {
    setOption(socket, SOL_SOCKET, SO_SNDBUF, bytes)
  }

  /// What the kernel knows of the other side of a TCP connection; nil for other sockets.
  static func peer(of socket: Int32) -> (sinceLastByte: UInt64, hasFinished: Bool)? {
    var info = tcp_info()
    var length = socklen_t(MemoryLayout<tcp_info>.size)
    guard unsafe getsockopt(socket, Int32(IPPROTO_TCP), TCP_INFO, &info, &length) == 0 else {
      return nil
    }
    let closeWait: UInt8 = 8
    return (UInt64(info.tcpi_last_data_recv) * 1_000_000, info.tcpi_state == closeWait)
  }

  /// Whether bytes have come that nobody has read.
  static func hasUnreadBytes(_ socket: Int32) -> Bool {
    var byte: UInt8 = 0
    let flags = Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)
    return unsafe recv(socket, &byte, 1, flags) > 0
  }

  /// A clock that only goes forward, in nanoseconds.
  static func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// A number that differs between any two threads of the process.
  static func currentThread() -> UInt {
    #if canImport(Glibc)
      pthread_self()
    #else
      unsafe UInt(bitPattern: pthread_self())
    #endif
  }
}
