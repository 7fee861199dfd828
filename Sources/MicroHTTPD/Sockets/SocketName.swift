// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// A socket address in the shape that the system takes.
struct SocketName {
  // Large enough, and aligned, for each of the families.
  private var storage = sockaddr_storage()
  private let length: socklen_t

  var family: Int32 { Int32(storage.ss_family) }

  /// - Parameter host: an IPv4 or IPv6 address in numbers; nil comes back for anything else.
  init?(host: String, port: UInt16) {
    var address4 = in_addr()
    var address6 = in6_addr()
    if unsafe inet_pton(AF_INET, host, &address4) == 1 {
      var name = sockaddr_in()
      name.sin_family = sa_family_t(AF_INET)
      name.sin_port = port.bigEndian
      name.sin_addr = address4
      length = socklen_t(MemoryLayout<sockaddr_in>.size)
      store(name)
    } else if unsafe inet_pton(AF_INET6, host, &address6) == 1 {
      var name = sockaddr_in6()
      name.sin6_family = sa_family_t(AF_INET6)
      name.sin6_port = port.bigEndian
      name.sin6_addr = address6
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
      store(name)
    } else {
      return nil
    }
  }

  /// - Parameter path: nil comes back if it is empty, has a NUL or is too long for the system.
  init?(path: String) {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let room = MemoryLayout.size(ofValue: name.sun_path)
    guard !bytes.isEmpty, !bytes.contains(0), bytes.count < room else { return nil }
    // The path is a tuple of bytes in Swift: it is filled as the memory that it is.
    unsafe withUnsafeMutableBytes(of: &name.sun_path) { unsafe $0.copyBytes(from: bytes) }
    length = socklen_t(MemoryLayout<sockaddr_un>.size)
    store(name)
  }

  /// - Parameter abstract: the name of a Unix socket that has no file, of unix(7); nil comes back
  ///   if it is empty or too long for the system.
  init?(abstract: String) {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    // A NUL in front says that it is no path; the length says where it ends.
    let bytes = [0] + Array(abstract.utf8)
    guard bytes.count > 1, bytes.count <= MemoryLayout.size(ofValue: name.sun_path) else {
      return nil
    }
    unsafe withUnsafeMutableBytes(of: &name.sun_path) { unsafe $0.copyBytes(from: bytes) }
    length = socklen_t(SocketName.pathOffset + bytes.count)
    store(name)
  }

  /// Where the path of a Unix socket begins in its address.
  private static let pathOffset = MemoryLayout<sa_family_t>.size

  /// Calls `body` with the address, for a system call.
  func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    unsafe withUnsafePointer(to: storage) { storage in
      // Every socket address begins with what `sockaddr` is.
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, length)
      }
    }
  }

  /// The TCP port that a socket is bound to.
  static func port(of descriptor: Int32) throws(ServerError) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &length)
      }
    }
    try SystemCall.check("getsockname", result)
    // The port stands at the same place in both families.
    return unsafe withUnsafeBytes(of: storage) {
      unsafe UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self))
    }
  }

  /// Where a socket is bound to; nil for a family other than IPv4, IPv6 and Unix, for a Unix socket
  /// without a name, and for what is no socket.
  static func address(of descriptor: Int32) -> ListenAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) { storage in
      unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &length)
      }
    }
    guard result == 0 else { return nil }
    return unsafe withUnsafeBytes(of: storage) { bytes in
      switch Int32(storage.ss_family) {
      case AF_INET:
        unsafe address(AF_INET, bytes, at: MemoryLayout<sockaddr_in>.offset(of: \.sin_addr))
      case AF_INET6:
        unsafe address(AF_INET6, bytes, at: MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr))
      case AF_UNIX: unsafe path(Array(bytes.prefix(Int(length)).dropFirst(pathOffset)))
      default: nil
      }
    }
  }

  private static func address(
    _ family: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int?
  ) -> ListenAddress? {
    guard let start = bytes.baseAddress, let offset else { return nil }
    let text = unsafe withUnsafeTemporaryAllocation(
      of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)
    ) { buffer -> String? in
      // The buffer is as large as the longest address in words.
      guard let room = buffer.baseAddress,
        unsafe inet_ntop(family, start + offset, room, socklen_t(buffer.count)) != nil
      else { return nil }
      return unsafe String(cString: room)
    }
    guard let text else { return nil }
    // The port stands at the same place in both families.
    let port = unsafe UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self))
    return .tcp(host: text, port: port)
  }

  private static func path(_ bytes: [UInt8]) -> ListenAddress? {
    guard let first = bytes.first else { return nil }
    if first == 0 { return .unix(path: "@" + String(decoding: bytes.dropFirst(), as: UTF8.self)) }
    return .unix(path: String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
  }

  private mutating func store<Name>(_ name: Name) {
    // Each family's address is shorter than the storage and starts at its start.
    unsafe withUnsafeMutableBytes(of: &storage) {
      unsafe $0.storeBytes(of: name, as: Name.self)
    }
  }
}
