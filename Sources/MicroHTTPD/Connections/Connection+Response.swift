// SPDX-License-Identifier: Apache-2.0
internal import CMicroHTTPD
import HTTPCore
internal import Logging

/// How a response is sent.
extension Connection {
  /// Bytes that a stream may have in the kernel for a client that does not read; the kernel
  /// doubles it. Left to itself it would keep some 2.8 MB for each.
  private static let streamSendBuffer: Int32 = 128 << 10
  /// The library's own buffer for a stream, used for HTTP/1.0 only.
  private static let streamBlock = 4096

  /// Sends a response, or waits for it.
  ///
  /// - Returns: false to close the connection.
  func send(_ response: Response) -> Bool {
    switch response.body {
    case .bytes(let bytes): sendBytes(bytes, response)
    case .stream(let source): sendStream(source, response)
    case .deferred(let deferred): wait(for: deferred)
    }
  }

  private func sendBytes(_ bytes: [UInt8], _ response: Response) -> Bool {
    let made = unsafe bytes.withUnsafeBytes { bytes in
      // The library copies and does not write, whatever its signature says.
      unsafe MHD_create_response_from_buffer(
        bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
    }
    guard let made = unsafe made else { return false }
    responseLength = bytes.count
    loop.counters.add(UInt64(bytes.count), to: .bodyBytesSent)
    return unsafe finish(made, response)
  }

  private func sendStream(_ source: any StreamSource, _ response: Response) -> Bool {
    guard loop.shared.openStream(limit: loop.limits.streams) else {
      source.closed()
      let detail = "there are \(loop.limits.streams) streams already"
      return send(Problem(.tooManyConnections, detail).response())
    }
    if head?.method == .head {
      loop.shared.closeStream()
      source.closed()
      return sendStreamHead(response)
    }
    let stream = loop.openStream(source, on: self)
    let context = unsafe Unmanaged.passRetained(stream).toOpaque()
    let made = unsafe MHD_create_response_from_callback(
      viommud_size_unknown, Connection.streamBlock, readStream, context, freeStream)
    guard let made = unsafe made else {
      unsafe Unmanaged<StreamedBody>.fromOpaque(context).release()
      stream.close()
      return false
    }
    SystemCall.limitSendBuffer(of: socket, to: Connection.streamSendBuffer)
    return unsafe finish(made, response)
  }

  /// A HEAD request for a stream gets what the GET would get, but for the framing: the library
  /// would send the last chunk.
  private func sendStreamHead(_ response: Response) -> Bool {
    let made = unsafe MHD_create_response_from_callback(
      viommud_size_unknown, Connection.streamBlock, { _, _, _, _ in viommud_end_of_stream }, nil,
      nil)
    guard let made = unsafe made else { return false }
    unsafe viommud_delimit_by_close(made)
    return unsafe finish(made, response)
  }

  private func wait(for deferred: DeferredResponse) -> Bool {
    let number = requestNumber
    let mailbox = loop.mailbox
    enter(.parking)
    isAskingForAnswer = true
    deferred.onAnswer { response in
      if mailbox.isOnLoopThread, self.isAskingForAnswer {
        self.promptAnswer = response
      } else {
        mailbox.put(Mail.Answer(connection: self, request: number, response: response))
      }
    }
    isAskingForAnswer = false
    if let answer = promptAnswer {
      promptAnswer = nil
      return send(answer)
    }
    // Suspended now, the connection would be read from as soon as it is resumed, and closed if
    // the client has shut down its side for writing, as it may. The library calls again at once,
    // and then it no longer wants to read.
    return true
  }

  /// The answer to a deferred request has come.
  func answer(_ response: Response, to request: UInt64) {
    guard request == requestNumber else { return }
    // The library asks again, once it is resumed if need be, and is given the answer then.
    switch phase {
    case .parking: enter(.answered(response))
    case .waiting:
      enter(.answered(response))
      resume()
    default: break
    }
  }

  /// Adds the fields and hands the response over; `made` is used up.
  private func finish(_ made: OpaquePointer, _ response: Response) -> Bool {
    defer { unsafe MHD_destroy_response(made) }
    for (name, value) in response.headers {
      unsafe add(loop.fieldNames[name], value, to: made)
    }
    if let requestID, response[.requestID] == nil {
      unsafe add(loop.fieldNames[.requestID], requestID, to: made)
    }
    if response.closesConnection || endsWithThisRequest || loop.isDraining {
      unsafe add(loop.fieldNames.connection, "close", to: made)
    }
    enter(.responding)
    status = response.status
    if loop.logsRequests { client = response.client }
    loop.counters.add(to: .responses(response.status))
    return unsafe queue(response.status, made)
  }

  private func add(_ name: [CChar], _ value: String, to response: OpaquePointer) {
    // Handing a string to C makes an array of it each time; the loop has one to write into.
    loop.fieldValue.removeAll(keepingCapacity: true)
    loop.fieldValue.append(contentsOf: value.utf8)
    loop.fieldValue.append(0)
    // The library copies both; it refuses a line break, which no caller may let through.
    let added = unsafe loop.fieldValue.withUnsafeBytes { bytes in
      unsafe MHD_add_response_header(
        response, name, bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
    }
    if added.rawValue != MHD_Result.YES.rawValue {
      loop.logger.error("a response header field was dropped", metadata: ["value": "\(value)"])
    }
  }
}

/// The library's call for more bytes of a stream.
private func readStream(
  context: UnsafeMutableRawPointer?, position: UInt64, buffer: UnsafeMutablePointer<CChar>?,
  capacity: Int
) -> Int {
  guard let context = unsafe context, let buffer = unsafe buffer else {
    return viommud_end_with_error
  }
  // Retained since the response was made, released by `freeStream`.
  let stream = unsafe Unmanaged<StreamedBody>.fromOpaque(context).takeUnretainedValue()
  return unsafe stream.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: capacity))
}

/// The library's last word on a stream.
private func freeStream(context: UnsafeMutableRawPointer?) {
  guard let context = unsafe context else { return }
  unsafe Unmanaged<StreamedBody>.fromOpaque(context).takeRetainedValue().close()
}
