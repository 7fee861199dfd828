// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// `bind(2)`, under a name that no method has.
private let bindDescriptor = unsafe bind

/// A socket that is bound and listens.
struct ListeningSocket {
  let descriptor: Int32
  /// Where it really listens: the port that was taken stands in the place of port 0.
  let address: ListenAddress
  /// Which file a Unix socket is, so that no other one is removed in its place.
  let file: FileIdentity?

  /// Binds and listens.
  ///
  /// - Parameter unixMode: the mode of the file of a Unix socket.
  static func open(
    _ address: ListenAddress, unixMode: UInt32
  ) throws(ServerError) -> ListeningSocket {
    switch address {
    case .tcp(let host, let port): try openTCP(host, port)
    case .unix(let path): try openUnix(path, unixMode)
    }
  }

  /// Takes over a socket that somebody else has opened; its path is not the server's to remove.
  init(_ inherited: InheritedSocket) {
    descriptor = inherited.descriptor
    address = inherited.address
    file = nil
  }

  private init(descriptor: Int32, address: ListenAddress, file: FileIdentity?) {
    self.descriptor = descriptor
    self.address = address
    self.file = file
  }

  /// Removes the path of a Unix socket, if it is still this socket's.
  ///
  /// To be called before the descriptor is closed: while it is open, nobody else can have found
  /// the path stale and taken it over.
  func unlinkPath() {
    guard case .unix(let path) = address, let file, FileIdentity(ofSocketAt: path) == file else {
      return
    }
    unsafe unlink(path)
  }

  /// Gives the socket up unused.
  func close() {
    unlinkPath()
    closeDescriptor(descriptor)
  }

  private static func openTCP(_ host: String, _ port: UInt16) throws(ServerError)
    -> ListeningSocket
  {
    guard let name = SocketName(host: host, port: port) else { throw .invalidAddress(host) }
    let descriptor = try newSocket(name.family)
    do throws(ServerError) {
      SystemCall.setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
      if name.family == AF_INET6 {
        SystemCall.setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
      }
      try bind(to: name, descriptor, as: .tcp(host: host, port: port))
      try listen(descriptor)
      let bound = try SocketName.port(of: descriptor)
      return ListeningSocket(
        descriptor: descriptor, address: .tcp(host: host, port: bound), file: nil)
    } catch {
      closeDescriptor(descriptor)
      throw error
    }
  }

  private static func openUnix(_ path: String, _ mode: UInt32) throws(ServerError)
    -> ListeningSocket
  {
    guard let name = SocketName(path: path) else { throw .invalidPath(path) }
    try removeStaleSocket(path, name)
    let descriptor = try newSocket(AF_UNIX)
    do throws(ServerError) {
      try bind(to: name, descriptor, as: .unix(path: path))
      // Before it listens nobody can connect, so that no client gets in under another mode.
      try SystemCall.check("chmod", unsafe chmod(path, mode))
      try listen(descriptor)
      return ListeningSocket(
        descriptor: descriptor, address: .unix(path: path), file: FileIdentity(ofSocketAt: path))
    } catch {
      closeDescriptor(descriptor)
      throw error
    }
  }

  /// Makes room at `path` if, and only if, a socket is there that nobody answers on.
  private static func removeStaleSocket(_ path: String, _ name: SocketName) throws(ServerError) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw .system(call: "lstat", errno: errno)
    }
    guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
    let probe = try newSocket(AF_UNIX)
    defer { closeDescriptor(probe) }
    if unsafe name.withAddress({ unsafe connect(probe, $0, $1) }) == 0 || errno == EAGAIN {
      throw .addressInUse(.unix(path: path))
    }
    if errno == ENOENT { return }
    guard errno == ECONNREFUSED else { throw .system(call: "connect", errno: errno) }
    try SystemCall.check("unlink", unsafe unlink(path))
  }

  /// No socket blocks, and none is inherited by a program that is run.
  static var flags: Int32 {
    #if canImport(Glibc)
      Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    #else
      SOCK_CLOEXEC | SOCK_NONBLOCK
    #endif
  }

  /// What `SO_TYPE` is of a stream socket.
  static var streamType: Int32 {
    #if canImport(Glibc)
      Int32(SOCK_STREAM.rawValue)
    #else
      SOCK_STREAM
    #endif
  }

  private static func newSocket(_ family: Int32) throws(ServerError) -> Int32 {
    try SystemCall.check("socket", socket(family, streamType | flags, 0))
  }

  private static func bind(
    to name: SocketName, _ descriptor: Int32, as address: ListenAddress
  ) throws(ServerError) {
    guard unsafe name.withAddress({ unsafe bindDescriptor(descriptor, $0, $1) }) == 0 else {
      if errno == EADDRINUSE { throw .addressInUse(address) }
      throw .system(call: "bind", errno: errno)
    }
  }

  private static func listen(_ descriptor: Int32) throws(ServerError) {
    #if canImport(Glibc)
      let result = Glibc.listen(descriptor, SOMAXCONN)
    #else
      let result = Musl.listen(descriptor, SOMAXCONN)
    #endif
    try SystemCall.check("listen", result)
  }
}

/// Which file stands behind a path.
struct FileIdentity: Equatable {
  private let device: UInt64
  private let node: UInt64

  /// nil if there is no socket at `path`.
  init?(ofSocketAt path: String) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
      return nil
    }
    device = UInt64(status.st_dev)
    node = UInt64(status.st_ino)
  }
}
