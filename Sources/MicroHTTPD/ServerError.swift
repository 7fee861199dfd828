// SPDX-License-Identifier: Apache-2.0

/// Why a server did not start.
public enum ServerError: Error, Equatable, CustomStringConvertible {
  /// There is nothing to listen on.
  case noListener
  /// The text is no IP address.
  case invalidAddress(String)
  /// The path of a Unix socket is empty or longer than the system takes.
  case invalidPath(String)
  /// Something that is no socket has the path; it is left alone.
  case notASocket(path: String)
  /// Another process listens there.
  case addressInUse(ListenAddress)
  /// A descriptor that was inherited is no stream socket that listens.
  case notAListener(descriptor: Int32)
  /// A variable of the environment has a value that it cannot have.
  case invalidVariable(name: String, value: String)
  /// A system call failed; `errno` says why.
  case system(call: String, errno: Int32)
  /// libmicrohttpd did not start.
  case library
  /// The server was started before.
  case startedTwice

  /// The error in words, for the one who started the server.
  public var description: String {
    switch self {
    case .noListener: "there is nothing to listen on"
    case .invalidAddress(let text): "\(text) is not an IP address"
    case .invalidPath(let path): "\(path) cannot be the path of a socket"
    case .notASocket(let path): "\(path) exists and is not a socket"
    case .addressInUse(let address): "\(address) is in use"
    case .notAListener(let descriptor):
      "the inherited descriptor \(descriptor) is not a stream socket that listens"
    case .invalidVariable(let name, let value): "\(name) cannot be \"\(value)\""
    case .system(let call, let errno): "\(call) failed: \(SystemCall.text(of: errno))"
    case .library: "libmicrohttpd did not start"
    case .startedTwice: "the server was started before"
    }
  }
}
