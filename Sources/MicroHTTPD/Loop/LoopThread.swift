// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Starts the threads of a server.
enum LoopThread {
  fileprivate final class Work: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// - Parameter name: for debuggers and `top`; the system shows its first 15 bytes.
  static func start(
    named name: String, _ body: @escaping @Sendable () -> Void
  ) throws(ServerError) {
    // The thread inherits the mask: signals are the main thread's business.
    var all = sigset_t()
    var previous = sigset_t()
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &previous, nil) }
    // Balanced by the thread, or below if there is none.
    let work = unsafe Unmanaged.passRetained(Work(name, body)).toOpaque()
    #if canImport(Glibc)
      var thread = pthread_t()
    #else
      var thread: pthread_t?
    #endif
    let result = unsafe pthread_create(&thread, nil, run, work)
    guard result == 0 else {
      unsafe Unmanaged<Work>.fromOpaque(work).release()
      throw .system(call: "pthread_create", errno: result)
    }
    #if canImport(Glibc)
      pthread_detach(thread)
    #else
      if let thread = unsafe thread { unsafe pthread_detach(thread) }
    #endif
  }
}

private func run(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument = unsafe argument else { return nil }
  let work = unsafe Unmanaged<LoopThread.Work>.fromOpaque(argument).takeRetainedValue()
  unsafe viommud_name_thread(work.name)
  work.body()
  return nil
}
