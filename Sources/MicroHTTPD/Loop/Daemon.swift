// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD
import HTTPCore

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// The libmicrohttpd daemon of a loop. It has no listener: connections are handed to it.
@safe final class Daemon {
  let loop: ServerLoop
  // Owned: made by `start`, given up by `stop`, and used in between by the loop's thread only.
  private var handle: OpaquePointer?
  private(set) var epollDescriptor: Int32 = -1
  /// Whether something happened that the library does not see by itself.
  var needsRun = true

  init(loop: ServerLoop) { self.loop = loop }

  /// - Throws: `ServerError.library`
  func start() throws(ServerError) {
    var options = unsafe viommud_daemon_options()
    unsafe options.connection_limit = UInt32(clamping: loop.limits.connections)
    unsafe options.idle_seconds = UInt32(clamping: loop.limits.idleSeconds)
    unsafe options.connection_memory = ConnectionMemory.size(for: loop.limits)
    // At 1, 0.9.75 looks for spaces in the target and for a Host, as we do, but it closes without
    // a word, or answers twice. Later releases read some requests as we would not at 0.
    unsafe options.strictness = LibraryVersion.isStrict ? 1 : 0
    // The loop holds this object until after `stop`, so the library may hold it unretained.
    unsafe options.context = Unmanaged.passUnretained(self).toOpaque()
    unsafe options.log = logMessage
    unsafe options.begin = beginRequest
    unsafe options.handle = handleRequest
    unsafe options.completed = completeRequest
    unsafe options.connection = connectionChanged
    let handle = unsafe viommud_start_daemon(&options)
    guard let handle = unsafe handle else { throw .library }
    unsafe self.handle = handle
    epollDescriptor = unsafe viommud_epoll_descriptor(handle)
    guard epollDescriptor >= 0 else {
      unsafe MHD_stop_daemon(handle)
      unsafe self.handle = nil
      throw .library
    }
  }

  func run() {
    needsRun = false
    guard let handle = unsafe handle else { return }
    _ = unsafe MHD_run(handle)
  }

  /// Milliseconds until the library wants to be run even if nothing happens; nil if it does not.
  var timeout: UInt64? {
    guard let handle = unsafe handle else { return nil }
    var milliseconds: UInt64 = 0
    guard unsafe MHD_get_timeout(handle, &milliseconds).rawValue == MHD_Result.YES.rawValue else {
      return nil
    }
    return milliseconds
  }

  /// Takes a connection over, and its socket with it.
  ///
  /// - Returns: false when the library has no memory for it; the socket is closed then.
  func add(_ socket: AcceptedSocket) -> Bool {
    needsRun = true
    guard let handle = unsafe handle else {
      close(socket.descriptor)
      return false
    }
    return unsafe viommud_add_connection(handle, socket.descriptor, socket.isUnix)
  }

  /// Closes what is left. No connection may be suspended: the library aborts the process then.
  func stop() {
    guard let handle = unsafe handle else { return }
    unsafe self.handle = nil
    unsafe MHD_stop_daemon(handle)
  }
}

/// Finds the daemon that was passed to the library as the context of its calls.
private func daemon(_ context: UnsafeMutableRawPointer?) -> Daemon? {
  // See `start` on why the daemon is still there.
  unsafe context.map { unsafe Unmanaged<Daemon>.fromOpaque($0).takeUnretainedValue() }
}

private func connection(_ context: UnsafeMutableRawPointer?) -> Connection? {
  // Retained from the first to the last notice of the connection; see `connectionChanged`.
  unsafe context.map { unsafe Unmanaged<Connection>.fromOpaque($0).takeUnretainedValue() }
}

private func beginRequest(
  context: UnsafeMutableRawPointer?, uri: UnsafePointer<CChar>?, handle: OpaquePointer?
) -> UnsafeMutableRawPointer? {
  guard let uri = unsafe uri, let handle = unsafe handle else { return nil }
  let context = unsafe viommud_connection_context(handle)
  unsafe connection(context)?.begin(uri: uri)
  return unsafe context
}

private func handleRequest(
  context: UnsafeMutableRawPointer?, handle: OpaquePointer?, url: UnsafePointer<CChar>?,
  method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?, upload: UnsafePointer<CChar>?,
  uploadSize: UnsafeMutablePointer<Int>?,
  requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
  guard let uploadSize = unsafe uploadSize, let url = unsafe url, let method = unsafe method,
    let version = unsafe version,
    let connection = unsafe connection(requestContext?.pointee)
  else { return .NO }
  let goesOn = unsafe connection.advance(
    method: method, target: url, version: version,
    upload: uploadSize.pointee > 0
      ? upload.map { unsafe CString.bytes($0, count: uploadSize.pointee) } : nil)
  unsafe uploadSize.pointee = 0
  return goesOn ? .YES : .NO
}

private func completeRequest(
  context: UnsafeMutableRawPointer?, handle: OpaquePointer?,
  requestContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  reason: MHD_RequestTerminationCode
) {
  unsafe connection(requestContext?.pointee)?.requestCompleted()
}

private func connectionChanged(
  context: UnsafeMutableRawPointer?, handle: OpaquePointer?,
  connectionContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  change: MHD_ConnectionNotificationCode
) {
  guard let connectionContext = unsafe connectionContext else { return }
  if change.rawValue == viommud_connection_started {
    guard let daemon = unsafe daemon(context), let handle = unsafe handle else { return }
    let connection = unsafe Connection(loop: daemon.loop, daemon: daemon, handle: handle)
    daemon.loop.add(connection)
    // Balanced by the release below, when the library says that the connection is closed.
    unsafe connectionContext.pointee = Unmanaged.passRetained(connection).toOpaque()
  } else if let stored = unsafe connectionContext.pointee {
    unsafe connectionContext.pointee = nil
    let connection = unsafe Unmanaged<Connection>.fromOpaque(stored).takeRetainedValue()
    connection.loop.remove(connection)
  }
}

private func logMessage(
  context: UnsafeMutableRawPointer?, format: UnsafePointer<CChar>?, arguments: CVaListPointer?
) {
  guard let daemon = unsafe daemon(context), let format = unsafe format,
    let arguments = unsafe arguments
  else { return }
  unsafe daemon.loop.logLibraryMessage(format, arguments)
}
