// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD
import HTTPCore

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// One connection, and the request that it is at.
///
/// The library calls back several times for each request; what it has told so far is kept here.
/// The object lives from the library's first notice of the connection to its last, so no request
/// allocates one.
///
/// Touched by the loop's thread only; others pass references around.
@safe final class Connection: @unchecked Sendable {
  enum Phase {
    /// Between requests.
    case idle
    /// The request line was read, the header section was not.
    case head
    /// The body is being read.
    case body
    /// The answer is there; what is left of the body is thrown away first.
    case answered(Response)
    /// Another thread will give the answer; the library is to take the connection out of its
    /// hands when it calls next.
    case parking
    /// The connection is suspended until the answer is there.
    case waiting
    /// The answer is on its way.
    case responding
    /// Was answered past the library, or its time is up: all that is left is to close it.
    case condemned
  }

  /// Room for a target that an idle connection may keep.
  private static let keptTargetCapacity = 512

  let loop: ServerLoop
  let daemon: Daemon
  let socket: Int32
  /// Whether the client came over a Unix socket.
  let isUnix: Bool
  // The library's connection, valid until its last notice; see above.
  private let handle: OpaquePointer
  /// Where the connection stands among all.
  var index = 0

  var phase = Phase.idle
  /// Counts the requests, so that a late answer cannot hit a later request.
  private(set) var requestNumber: UInt64 = 0
  /// The answer to a deferred request that came at once.
  var promptAnswer: Response?
  var isAskingForAnswer = false
  /// Everything that still happens on the connection is its end.
  var isAborted = false
  /// Whether the client may still be sending when the connection is closed.
  var needsLinger = false
  /// The request's body came in chunks, which the library reads more freely than a proxy may:
  /// lines that end in a bare LF, trailers that it does not look at. What it takes for the end
  /// of the body another reader may not, so that nothing behind it is ever taken for a request.
  var endsWithThisRequest = false
  /// Whether a drain waits for the request.
  var isDrained = false

  /// The target as it was sent.
  var rawTarget: [UInt8] = []
  var head: RequestHead?
  var body: [UInt8] = []
  var requestID: String?
  var status = 0
  /// Who the client is, as the response says; only for the log.
  var client: String?
  var responseLength = 0

  /// When the present phase began: the wait for a request, its header section, or its body.
  var phaseStart: UInt64
  /// When the first byte of the next request was noticed.
  var firstByteSeen: UInt64?
  /// How much of the body there was when bytes were last found waiting in the socket.
  var bodySizeWhenUnread: Int?
  /// When the request line was there; only kept for the log.
  var requestStart: UInt64 = 0

  init(loop: ServerLoop, daemon: Daemon, handle: OpaquePointer) {
    self.loop = loop
    self.daemon = daemon
    unsafe self.handle = handle
    socket = unsafe viommud_connection_socket(handle)
    isUnix = unsafe viommud_connection_is_unix(handle)
    phaseStart = loop.now
  }

  /// The library has read a request line.
  ///
  /// - Parameter uri: the undecoded target, valid during the call.
  @unsafe func begin(uri: UnsafePointer<CChar>) {
    rawTarget.removeAll(keepingCapacity: true)
    unsafe rawTarget.append(contentsOf: CString.bytes(uri))
    unsafe viommud_hide_query(uri)
    requestNumber &+= 1
    enter(.head)
    requestStart = loop.logsRequests ? SystemCall.monotonicNanoseconds() : 0
  }

  /// The library is done with the request.
  func requestCompleted() {
    loop.requestCompleted(self)
    if needsLinger { loop.linger(on: socket) }
    needsLinger = false
    isDrained = false
    endsWithThisRequest = false
    head = nil
    body = []
    if rawTarget.capacity > Connection.keptTargetCapacity { rawTarget = [] }
    requestID = nil
    status = 0
    client = nil
    responseLength = 0
    firstByteSeen = nil
    bodySizeWhenUnread = nil
    requestNumber &+= 1
    enter(.idle)
  }

  func enter(_ phase: Phase) {
    self.phase = phase
    phaseStart = loop.now
  }

  /// Only from within one of the library's calls for this connection.
  func suspend() {
    unsafe MHD_suspend_connection(handle)
  }

  /// Only for a suspended connection; it is no longer suspended afterwards.
  func resume() {
    unsafe MHD_resume_connection(handle)
    // The library looks for resumed connections only when it is run, and nothing tells it to.
    daemon.needsRun = true
  }

  /// Ends the connection from outside of the library's calls: it finds the socket shut.
  func shutDown() {
    _ = shutdown(socket, Int32(SHUT_RDWR))
  }

  /// Hands a response to the library.
  @unsafe func queue(_ status: Int, _ response: OpaquePointer) -> Bool {
    unsafe MHD_queue_response(handle, UInt32(status), response).rawValue == MHD_Result.YES.rawValue
  }

  /// Bytes from the method to the end of the header section.
  var headSize: Int { unsafe viommud_head_size(handle) }

  /// Goes through the header fields.
  func readFields(of line: RequestLine) -> HeaderSection {
    var reader = unsafe HeaderReader(line: line, headSize: headSize)
    unsafe withUnsafeMutablePointer(to: &reader) { reader in
      _ = unsafe MHD_get_connection_values_n(
        handle, .HEADER_KIND,
        { context, _, name, nameLength, value, valueLength in
          // The context is the reader of the enclosing call; names and values are the library's
          // and live through this call.
          guard let context = unsafe context else { return .YES }
          unsafe context.assumingMemoryBound(to: HeaderReader.self).pointee.take(
            name, nameLength, value, valueLength)
          return .YES
        }, reader)
    }
    return reader.finish()
  }
}
