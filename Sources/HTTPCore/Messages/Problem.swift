// SPDX-License-Identifier: Apache-2.0

/// An error answer: a problem document (RFC 9457) with members of this API's own.
public struct Problem: Error, Sendable {
  /// The codes by which programs tell one problem from another. Each is always sent with the same
  /// status. Names and statuses are part of the contract.
  public enum Code: String, Sendable, CaseIterable {
    /// 400: the body is not JSON, or is nested too deeply.
    case malformedJSON = "malformed_json"
    /// 400: the request breaks a rule of HTTP, or has a body where none is taken.
    case malformedRequest = "malformed_request"
    /// 422: a field, a parameter or a header field has a value that it cannot have.
    case invalidField = "invalid_field"
    /// 422: the body or the query has a member that is not known.
    case unknownField = "unknown_field"
    /// 404: the path leads to no resource.
    case notFound = "not_found"
    /// 422: a field of the body names an object that is not there.
    case referenceNotFound = "reference_not_found"
    /// 409: other objects need the object, so that it cannot be deleted.
    case pinned
    /// 409: the object is in a state in which this cannot be done to it.
    case busy
    /// 409: there is an object with this name already.
    case exists
    /// 409: a limited supply is used up, VMIDs or SID slots for example.
    case exhausted
    /// 422: the object or the driver cannot do this.
    case unsupported
    /// 422: the hardware must not be given this, a bad stream table entry for example.
    case hardwareRejected = "hardware_rejected"
    /// 422: the kernel would refuse this with an errno that has no code of its own here.
    case rejected
    /// 412: `If-Match`, `If-None-Match` or an assertion of a batch does not hold.
    case preconditionFailed = "precondition_failed"
    /// 412: the plan of a cascade is no longer the one that the request names.
    case planChanged = "plan_changed"
    /// 410: the log no longer has the events behind the cursor.
    case cursorExpired = "cursor_expired"
    /// 405: the path does not take this method.
    case methodNotAllowed = "method_not_allowed"
    /// 406: the resource has no representation that `Accept` allows.
    case notAcceptable = "not_acceptable"
    /// 408: the request did not arrive within its time.
    case requestTimeout = "request_timeout"
    /// 413: the body is larger than `Limits.body`.
    case payloadTooLarge = "payload_too_large"
    /// 414: the target is longer than `Limits.target`.
    case uriTooLong = "uri_too_long"
    /// 415: the body is of a media type, a charset or a coding that is not taken here.
    case unsupportedMediaType = "unsupported_media_type"
    /// 421: the `Host` of the request is not one of this server.
    case misdirectedRequest = "misdirected_request"
    /// 431: the header section is larger than `Limits.headers`.
    case headersTooLarge = "headers_too_large"
    /// 401: the client has to say who it is.
    case unauthorized
    /// 403: the client, or the page that uses it, may not do this.
    case forbidden
    /// 429: the client sends requests faster than it may.
    case tooManyRequests = "too_many_requests"
    /// 503: the server is about to stop.
    case draining
    /// 503: there are as many open streams as there may be.
    case tooManyConnections = "too_many_connections"
    /// 503: the change could not be written to disk.
    case storageFailed = "storage_failed"
    /// 501: the method or the transfer coding is not known.
    case notImplemented = "not_implemented"
    /// 500: the server has made a mistake. No request should be able to cause it.
    case `internal`
  }

  /// One thing that is wrong with the body, the query or a header field of a request.
  public struct Fault: Sendable, Equatable {
    /// What kind of fault it is.
    public var code: Code
    /// Where the fault is: a JSON Pointer (RFC 6901) into the body, `?name` for a parameter of the
    /// query, or the name of a header field.
    public var pointer: String
    /// What is wrong there, in words.
    public var detail: String

    /// Makes a fault of its code, its place and what is wrong there, in words.
    public init(_ code: Code, at pointer: String, _ detail: String) {
      self.code = code
      self.pointer = pointer
      self.detail = detail
    }
  }

  /// What kind of problem it is. The status and the title follow from it.
  public var code: Code
  /// The symbol of the errno that the kernel would have given, `EBUSY` for example; nil where the
  /// problem has no counterpart in the kernel.
  public var errno: String?
  /// What is wrong in this case, in words.
  public var detail: String
  /// The path that the problem is about; nil until a caller that knows the request sets it.
  public var instance: String?
  /// Everything that is wrong with the request, place by place; empty where the problem does not
  /// lie in the request's own text.
  public var faults: [Fault]
  /// Writes further members into the document, for problems that have their own, as `pinned` has
  /// its plan.
  public var members: (@Sendable (inout JSONWriter) -> Void)?
  /// Header fields that the answer needs besides its Content-Type, such as `Allow`.
  public var headers: [(name: Response.HeaderName, value: String)] = []
  /// Whether the connection has to be closed after the answer, because what follows on it can no
  /// longer be told apart.
  public var closesConnection = false

  /// Makes a problem.
  ///
  /// - Parameters:
  ///   - errno: the symbol of the kernel's errno; without it the one that usually goes with the
  ///     code, if there is one.
  ///   - detail: what is wrong in this case, in words.
  public init(_ code: Code, errno: String? = nil, _ detail: String, faults: [Fault] = []) {
    self.code = code
    self.errno = errno ?? code.usualErrno
    self.detail = detail
    self.faults = faults
  }

  /// Makes a problem of all faults that were found in one input.
  ///
  /// Its code is that of the faults if they all have the same one, and else `invalid_field`. Its
  /// detail is that of the first fault, and says how many more there are.
  public init(faults: [Fault]) {
    let first = faults.first ?? Fault(.invalidField, at: "", "invalid")
    let isAlike = faults.allSatisfy { $0.code == first.code }
    let more = faults.count > 1 ? " (and \(faults.count - 1) more)" : ""
    let place = first.pointer.isEmpty ? "" : "\(first.pointer): "
    self.init(
      isAlike ? first.code : .invalidField, "\(place)\(first.detail)\(more)", faults: faults)
  }

  /// The HTTP status that the problem is sent with.
  public var status: Int { code.status }

  /// The same problem, seen from an outer document that has the faulty one inside it.
  ///
  /// - Parameter pointer: where the inner document is in the outer one, as a JSON Pointer.
  public func placed(below pointer: String) -> Problem {
    var problem = self
    problem.faults = faults.map { Fault($0.code, at: pointer + $0.pointer, $0.detail) }
    if problem.faults.isEmpty, !pointer.isEmpty {
      problem.faults = [Fault(code, at: pointer, detail)]
    }
    return problem
  }

  /// The response that carries the problem.
  public func response() -> Response {
    var response = Response(
      status: status, headers: [(.contentType, MediaType.problem)] + headers, body: .bytes(body()))
    response.closesConnection = closesConnection
    return response
  }

  /// The problem document, as JSON.
  public func body() -> [UInt8] {
    var writer = JSONWriter()
    write(to: &writer)
    return writer.bytes
  }

  /// Writes the problem document as one JSON object (RFC 9457, section 3).
  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("type", text: "urn:viommud:problem:" + code.rawValue)
      writer.field("title", text: code.title)
      writer.field("status", int: status)
      writer.field("code", text: code.rawValue)
      if let errno { writer.field("errno", text: errno) }
      writer.field("detail", text: detail)
      if let instance { writer.field("instance", text: instance) }
      if !faults.isEmpty {
        writer.key("errors")
        writer.array(of: faults) { writer, fault in
          writer.object { writer in
            writer.field("code", text: fault.code.rawValue)
            writer.field("pointer", text: fault.pointer)
            writer.field("detail", text: fault.detail)
          }
        }
      }
      members?(&writer)
    }
  }
}

extension Problem.Code {
  /// The HTTP status that a problem with this code is sent with.
  public var status: Int {
    switch self {
    case .malformedJSON, .malformedRequest: 400
    case .unauthorized: 401
    case .forbidden: 403
    case .notFound: 404
    case .methodNotAllowed: 405
    case .notAcceptable: 406
    case .requestTimeout: 408
    case .pinned, .busy, .exists, .exhausted: 409
    case .cursorExpired: 410
    case .preconditionFailed, .planChanged: 412
    case .payloadTooLarge: 413
    case .uriTooLong: 414
    case .unsupportedMediaType: 415
    case .misdirectedRequest: 421
    case .invalidField, .unknownField, .referenceNotFound, .unsupported, .hardwareRejected,
      .rejected:
      422
    case .tooManyRequests: 429
    case .headersTooLarge: 431
    case .internal: 500
    case .notImplemented: 501
    case .draining, .tooManyConnections, .storageFailed: 503
    }
  }

  /// The errno of a problem with this code whose reporter names no other.
  var usualErrno: String? {
    switch self {
    case .malformedJSON, .invalidField, .unknownField: "EINVAL"
    case .notFound, .referenceNotFound: "ENOENT"
    case .pinned, .busy: "EBUSY"
    case .exists: "EEXIST"
    case .exhausted: "ENOSPC"
    case .unsupported: "EOPNOTSUPP"
    case .hardwareRejected: "EIO"
    default: nil
    }
  }

  /// The summary that all problems with this code have in common.
  public var title: String {
    switch self {
    case .malformedJSON: "The body is not JSON"
    case .malformedRequest: "The request is malformed"
    case .invalidField: "A field has a value that it cannot have"
    case .unknownField: "A field is not known"
    case .notFound: "There is no such resource"
    case .referenceNotFound: "A field refers to an object that is not there"
    case .pinned: "The object is pinned"
    case .busy: "The object is busy"
    case .exists: "It exists already"
    case .exhausted: "The hardware has no more of it"
    case .unsupported: "That is not supported"
    case .hardwareRejected: "The hardware would reject it"
    case .rejected: "The kernel would reject it"
    case .preconditionFailed: "A precondition does not hold"
    case .planChanged: "The plan is no longer that one"
    case .cursorExpired: "The cursor points to what is no longer kept"
    case .methodNotAllowed: "The method is not allowed here"
    case .notAcceptable: "None of the accepted media types is available"
    case .requestTimeout: "The request took too long to arrive"
    case .payloadTooLarge: "The body is too large"
    case .uriTooLong: "The request target is too long"
    case .unsupportedMediaType: "The media type of the body is not supported"
    case .misdirectedRequest: "The request is for another server"
    case .headersTooLarge: "The header section is too large"
    case .unauthorized: "Authentication is required"
    case .forbidden: "That is not allowed"
    case .tooManyRequests: "Too many requests"
    case .draining: "The server is about to stop"
    case .tooManyConnections: "Too many connections"
    case .storageFailed: "The change could not be stored"
    case .notImplemented: "The method is not implemented"
    case .internal: "An internal error"
    }
  }
}
