// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Whoever started the program and wants to know how it goes: systemd, or anything else that
/// speaks the protocol of sd_notify(3).
///
/// Each message is one datagram to the Unix socket that `NOTIFY_SOCKET` names.
public final class ServiceManager: Sendable {
  /// Something that a service manager is told.
  public enum Message: Sendable, Equatable {
    /// The server answers; `status` says so in words, for people.
    case ready(status: String)
    /// The server has begun to stop.
    case stopping
    /// The server is alive. It has to be said more often than `watchdogInterval`.
    case alive

    /// The message as it is sent.
    var text: String {
      switch self {
      // A line break in the status would begin another variable.
      case .ready(let status):
        "READY=1\nSTATUS=" + status.replacing("\n", with: " ")
      case .stopping: "STOPPING=1\nSTATUS=stopping"
      case .alive: "WATCHDOG=1"
      }
    }
  }

  /// How long the manager waits for `alive` before it takes the program for stuck; nil if it does
  /// not watch.
  public let watchdogInterval: Duration?

  private let name: SocketName
  private let descriptor: Int32

  /// The manager that the environment names.
  ///
  /// - Parameters:
  ///   - environment: the process's variables: `NOTIFY_SOCKET`, which is an absolute path, or an
  ///     at sign and the name of an abstract socket; `WATCHDOG_USEC` and `WATCHDOG_PID`.
  ///   - process: the process that asks; nil is the calling one. The watchdog may be meant for
  ///     another.
  /// - Returns: nil if there is no manager.
  /// - Throws: `ServerError.invalidVariable` for a `NOTIFY_SOCKET` that is neither, or `.system`.
  public init?(
    environment: [String: String], process: Int32? = nil
  ) throws(ServerError) {
    guard let socketName = environment["NOTIFY_SOCKET"] else { return nil }
    guard let name = ServiceManager.name(socketName) else {
      throw .invalidVariable(name: "NOTIFY_SOCKET", value: socketName)
    }
    self.name = name
    watchdogInterval = ServiceManager.watchdogInterval(environment, process ?? getpid())
    #if canImport(Glibc)
      let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
    #else
      let kind = SOCK_DGRAM | SOCK_CLOEXEC
    #endif
    descriptor = try SystemCall.check("socket", socket(AF_UNIX, kind, 0))
    // A manager that does not read must not hold the program up.
    SystemCall.limitSendTime(of: descriptor, toSeconds: 5)
  }

  deinit { closeDescriptor(descriptor) }

  /// Sends a message. From any thread.
  ///
  /// - Throws: `ServerError.system` if the manager cannot be told, because it has gone for
  ///   example. The program is no worse for that.
  public func tell(_ message: Message) throws(ServerError) {
    let text = Array(message.text.utf8)
    let result = unsafe name.withAddress { address, length in
      // The call reads the bytes before it returns. A datagram goes whole or not at all.
      unsafe text.withUnsafeBytes { bytes in
        unsafe Int32(
          clamping: sendto(
            descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL), address,
            length))
      }
    }
    try SystemCall.check("sendto", result)
  }

  private static func name(_ text: String) -> SocketName? {
    if text.hasPrefix("@") { return SocketName(abstract: String(text.dropFirst())) }
    return text.hasPrefix("/") ? SocketName(path: text) : nil
  }

  private static func watchdogInterval(
    _ environment: [String: String], _ process: Int32
  ) -> Duration? {
    if let owner = environment["WATCHDOG_PID"], owner != "\(process)" { return nil }
    guard let text = environment["WATCHDOG_USEC"], let microseconds = Int64(text),
      microseconds > 0
    else { return nil }
    return .microseconds(microseconds)
  }
}
