// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// How a request is put together.
extension Connection {
  /// The largest body that is read to its end although it will not be used: it keeps the
  /// connection for further requests.
  private static let largestDiscardedBody: UInt64 = 64 << 10
  /// Room that is made at once for a body of declared length; what is declared need not come.
  private static let bodyReservation: UInt64 = 256 << 10

  /// One of the library's calls: the first has nothing but the header section, then come pieces
  /// of the body, and the last one has nothing again.
  ///
  /// - Returns: false to close the connection.
  @unsafe func advance(
    method: UnsafePointer<CChar>, target: UnsafePointer<CChar>, version: UnsafePointer<CChar>,
    upload: UnsafeBufferPointer<UInt8>?
  ) -> Bool {
    if isAborted { return false }
    switch phase {
    case .head:
      return unsafe examine(
        RequestLine(
          method: method, target: target, targetLength: rawTarget.count, version: version))
    case .body:
      guard let upload = unsafe upload else { return respond() }
      return unsafe take(upload)
    case .answered(let response):
      if unsafe upload != nil { return true }
      return send(response)
    case .parking:
      suspend()
      enter(.waiting)
      return true
    case .waiting:
      // Woken without an answer, which nobody does but the abort that was looked for above.
      return false
    case .idle, .responding, .condemned:
      return false
    }
  }

  /// Looks at the header section and decides what is to become of the request.
  private func examine(_ line: RequestLine) -> Bool {
    loop.counters.add(to: .requests)
    let section = readFields(of: line)
    chooseRequestID(section.kept)
    guard
      ConnectionMemory.holds(
        headSize: headSize, fields: section.fieldCount, for: loop.limits)
    else { return refuseFields() }
    do throws(Problem) {
      let target = try check(line, section)
      var head = RequestHead(
        method: line.method ?? .get, target: target, headers: section.kept,
        contentLength: section.contentLength, hasBody: section.hasBody)
      head.isFromUnixSocket = isUnix
      endsWithThisRequest = section.isChunked
      // The client may have sent more already, and unread bytes would reset the connection.
      needsLinger = section.isChunked
      return accept(head, expectsContinue: section.expectsContinue)
    } catch {
      return refuse(error, section)
    }
  }

  /// - Throws: the problem for which the connection is closed.
  private func check(
    _ line: RequestLine, _ section: HeaderSection
  ) throws(Problem) -> Target {
    let limits = loop.limits
    if rawTarget.count > limits.target {
      throw Problem(.uriTooLong, "the target has more than \(limits.target) bytes")
    }
    if headSize - line.length > limits.headers {
      throw Problem(.headersTooLarge, "the header section has more than \(limits.headers) bytes")
    }
    if !line.isExact { throw FramingFault.badRequestLine.problem }
    if let fault = section.fault { throw fault.problem }
    guard line.method != nil else { throw Problem(.notImplemented, "the method is not known") }
    if let length = section.contentLength, length > UInt64(limits.body) {
      throw Problem(.payloadTooLarge, "the body has more than \(limits.body) bytes")
    }
    return try target(line)
  }

  private func target(_ line: RequestLine) throws(Problem) -> Target {
    // `OPTIONS *` is about the server; its answer is made where the target is known to be `*`.
    if line.method == .options, rawTarget == [UInt8(ascii: "*")] { return Target.root }
    do throws(Target.Malformed) {
      return try Target(rawTarget)
    } catch {
      if line.method == .connect { throw Problem(.notImplemented, "this server is not a proxy") }
      throw Problem(.malformedRequest, error.detail)
    }
  }

  private func accept(_ head: RequestHead, expectsContinue: Bool) -> Bool {
    self.head = head
    if head.method == .options, rawTarget == [UInt8(ascii: "*")] {
      enter(.answered(Response(status: 204, headers: [(.allow, Connection.allMethods)])))
    } else if isWorthForestalling(head, expectsContinue),
      let refusal = loop.handler.refusal(of: head)
    {
      // The library closes the connection after an answer to its first call.
      needsLinger = true
      return send(refusal)
    } else {
      if head.hasBody {
        body.reserveCapacity(Int(min(head.contentLength ?? 0, Connection.bodyReservation)))
      }
      enter(.body)
    }
    return true
  }

  private static let allMethods = "GET, HEAD, POST, PUT, DELETE, OPTIONS"

  /// Whether a refusal would spare a body. A small one that is on its way is read to its end, for
  /// that keeps the connection; then the answer is the refusal.
  private func isWorthForestalling(_ head: RequestHead, _ expectsContinue: Bool) -> Bool {
    guard head.hasBody else { return false }
    return expectsContinue || (head.contentLength ?? .max) > Connection.largestDiscardedBody
  }

  /// Refuses for the framing or a limit: no byte that follows is taken for another request.
  private func refuse(_ problem: Problem, _ section: HeaderSection) -> Bool {
    loop.counters.add(to: .requestsRefused)
    var response = problem.response()
    response.closesConnection = true
    needsLinger = true
    return send(response)
  }

  /// There are so many fields that the library may have no room left for a response.
  private func refuseFields() -> Bool {
    loop.counters.add(to: .requestsRefused)
    condemn(
      Problem(.headersTooLarge, "the header section has too many fields"),
      phrase: "Request Header Fields Too Large")
    needsLinger = true
    return false
  }

  /// Takes a piece of the body.
  private func take(_ piece: UnsafeBufferPointer<UInt8>) -> Bool {
    loop.counters.add(UInt64(piece.count), to: .bodyBytesReceived)
    guard piece.count <= loop.limits.body - body.count else { return refuseBody() }
    unsafe body.append(contentsOf: piece)
    return true
  }

  /// A chunked body has become too large. The library takes no response now, so it is written
  /// past it.
  private func refuseBody() -> Bool {
    let problem = Problem(.payloadTooLarge, "the body has more than \(loop.limits.body) bytes")
    loop.counters.add(to: .requestsRefused)
    condemn(problem, phrase: "Content Too Large")
    needsLinger = true
    return false
  }

  /// Answers past the library, with what follows thrown away.
  func condemn(_ problem: Problem, phrase: String) {
    let name = requestID ?? loop.requestIDs.next()
    RawReply.send(RawReply.bytes(problem, phrase: phrase, requestID: name), on: socket)
    requestID = name
    loop.counters.add(to: .responses(problem.status))
    status = problem.status
    body = []
    enter(.condemned)
  }

  /// The request is whole.
  private func respond() -> Bool {
    guard let head else { return false }
    let request = Request(head: head, body: body)
    body = []
    return send(loop.handler.respond(to: request))
  }

  private func chooseRequestID(_ headers: Headers) {
    if let name = headers[.requestID], RequestIDs.isSane(name) {
      requestID = name
    } else {
      requestID = loop.requestIDs.next()
    }
  }
}

extension Target.Malformed {
  fileprivate var detail: String {
    switch self {
    case .notOriginForm: "the target is not a path"
    case .forbiddenByte: "the target has a byte that no target has"
    case .badEscape: "the target has a percent sign without two digits"
    case .notUTF8: "the target is not UTF-8 once it is decoded"
    }
  }
}
