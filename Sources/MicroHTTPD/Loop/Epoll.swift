// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// What an epoll event is about.
enum EventSource: Equatable {
  /// Somebody has left mail.
  case mail
  /// The loop's daemon has something to do.
  case daemon
  /// The client behind a suspended stream does something, by the stream's socket.
  case stream(Int32)
  /// A socket that is being closed has bytes to throw away.
  case lingering(Int32)
  /// A client waits at a listener, by its index.
  case listener(Int)

  /// Packed into the 64 bits that epoll keeps for us.
  fileprivate var token: UInt64 {
    switch self {
    case .mail: 0
    case .daemon: 1 << 32
    case .stream(let socket): 2 << 32 | UInt64(UInt32(bitPattern: socket))
    case .lingering(let socket): 3 << 32 | UInt64(UInt32(bitPattern: socket))
    case .listener(let index): 4 << 32 | UInt64(UInt32(index))
    }
  }

  fileprivate init(token: UInt64) {
    let low = UInt32(truncatingIfNeeded: token)
    switch token >> 32 {
    case 1: self = .daemon
    case 2: self = .stream(Int32(bitPattern: low))
    case 3: self = .lingering(Int32(bitPattern: low))
    case 4: self = .listener(Int(low))
    default: self = .mail
    }
  }
}

/// What happened, for those who ask; the rest can be had by reading.
struct EventFlags: OptionSet {
  let rawValue: UInt32
  /// The client will send no more: it has closed, or shut down its side for writing.
  static let peerFinished = EventFlags(rawValue: 0x2000)
  /// Both directions are closed, or the connection was reset.
  static let hungUp = EventFlags(rawValue: 0x18)

  static let readable = EventFlags(rawValue: 0x1)
  /// Tell of each change once.
  static let edge = EventFlags(rawValue: 1 << 31)
}

/// An epoll descriptor with room for the events of one wait.
///
/// The events are a union in C, of which only the number is used.
@safe struct Epoll: ~Copyable {
  private static let capacity = 64

  private let descriptor: Int32
  private var events = unsafe [epoll_event](repeating: epoll_event(), count: Epoll.capacity)

  init() throws(ServerError) {
    descriptor = try SystemCall.check("epoll_create1", epoll_create1(Int32(EPOLL_CLOEXEC)))
  }

  deinit { close(descriptor) }

  /// Watches a descriptor; the system may have no room for another.
  func add(_ descriptor: Int32, _ flags: EventFlags, _ source: EventSource) -> Bool {
    control(EPOLL_CTL_ADD, descriptor, flags, source) == 0
  }

  /// Watches a descriptor without which nothing works.
  func require(
    _ descriptor: Int32, _ flags: EventFlags, _ source: EventSource
  ) throws(ServerError) {
    try SystemCall.check("epoll_ctl", control(EPOLL_CTL_ADD, descriptor, flags, source))
  }

  /// Watches a descriptor for something else than before, or, without flags, for nothing. Unlike
  /// taking it out and in again this cannot fail.
  func change(_ descriptor: Int32, to flags: EventFlags, _ source: EventSource) {
    _ = control(EPOLL_CTL_MOD, descriptor, flags, source)
  }

  private func control(
    _ operation: Int32, _ descriptor: Int32, _ flags: EventFlags, _ source: EventSource
  ) -> Int32 {
    var event = unsafe epoll_event()
    unsafe event.events = flags.rawValue
    unsafe event.data.u64 = source.token
    return unsafe epoll_ctl(self.descriptor, operation, descriptor, &event)
  }

  func remove(_ descriptor: Int32) {
    var event = unsafe epoll_event()
    _ = unsafe epoll_ctl(self.descriptor, EPOLL_CTL_DEL, descriptor, &event)
  }

  /// Waits for events; `timeout` is in milliseconds, -1 for ever.
  ///
  /// - Returns: how many events can be read with `event(_:)`; 0 also after a signal.
  mutating func wait(timeout: Int32) -> Int {
    let count = unsafe events.withUnsafeMutableBufferPointer {
      unsafe epoll_wait(descriptor, $0.baseAddress, Int32($0.count), timeout)
    }
    return max(0, Int(count))
  }

  func event(_ index: Int) -> (source: EventSource, flags: EventFlags) {
    let event = unsafe events[index]
    return unsafe (EventSource(token: event.data.u64), EventFlags(rawValue: event.events))
  }
}
