// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A listening socket that whoever started the program has opened for it, systemd for example.
///
/// The protocol is that of sd_listen_fds(3): `LISTEN_PID` names the process that the sockets are
/// for, and `LISTEN_FDS` says how many there are; their descriptors follow one another from 3 on.
public struct InheritedSocket: Sendable, Equatable {
  /// The first descriptor behind those of standard input, output and error.
  static let firstDescriptor: Int32 = 3
  /// More than any program is given; beyond it a number is a mistake.
  private static let most: Int32 = 1024

  /// The socket. The server that gets it closes it.
  public let descriptor: Int32
  /// Where it listens. The path of an abstract Unix socket begins with an at sign.
  public let address: ListenAddress

  /// Takes a socket over: from now on it does not block, and no program that is run inherits it.
  ///
  /// - Throws: `ServerError.notAListener` if the descriptor is anything but a TCP or Unix stream
  ///   socket that listens. A connection is not, as `Accept=yes` in a socket unit gives one.
  public init(descriptor: Int32) throws(ServerError) {
    guard SystemCall.option(descriptor, SOL_SOCKET, SO_ACCEPTCONN) == 1,
      SystemCall.option(descriptor, SOL_SOCKET, SO_TYPE) == ListeningSocket.streamType,
      let address = SocketName.address(of: descriptor)
    else { throw .notAListener(descriptor: descriptor) }
    let flags = fcntl(descriptor, F_GETFL)
    try SystemCall.check("fcntl", fcntl(descriptor, F_SETFL, flags | O_NONBLOCK))
    try SystemCall.check("fcntl", fcntl(descriptor, F_SETFD, FD_CLOEXEC))
    self.descriptor = descriptor
    self.address = address
  }

  /// The sockets that the environment speaks of, in their order.
  ///
  /// - Parameters:
  ///   - environment: the process's variables.
  ///   - process: the process that asks; nil is the calling one. Variables that are meant for
  ///     another, from which this one has inherited them, say nothing.
  /// - Throws: `ServerError.invalidVariable` for a count that is none, or `.notAListener`.
  public static func all(
    in environment: [String: String], process: Int32? = nil
  ) throws(ServerError) -> [InheritedSocket] {
    guard let count = environment["LISTEN_FDS"],
      let owner = environment["LISTEN_PID"], owner == "\(process ?? getpid())"
    else { return [] }
    guard let count = Int32(count), (0...most).contains(count) else {
      throw .invalidVariable(name: "LISTEN_FDS", value: count)
    }
    var sockets: [InheritedSocket] = []
    for number in 0..<count {
      sockets.append(try InheritedSocket(descriptor: firstDescriptor + number))
    }
    return sockets
  }
}
