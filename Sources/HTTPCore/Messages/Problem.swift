// SPDX-License-Identifier: Apache-2.0

/// An error answer: problem details (RFC 9457) with this API's own members.
public struct Problem: Error, Sendable {
  /// The codes that clients can rely on, each with the one status it is sent with.
  public enum Code: String, Sendable, CaseIterable {
    case malformedJSON = "malformed_json"
    case malformedRequest = "malformed_request"
    case invalidField = "invalid_field"
    case unknownField = "unknown_field"
    case notFound = "not_found"
    case referenceNotFound = "reference_not_found"
    case pinned
    case busy
    case exists
    case exhausted
    case unsupported
    case hardwareRejected = "hardware_rejected"
    case rejected
    case preconditionFailed = "precondition_failed"
    case planChanged = "plan_changed"
    case cursorExpired = "cursor_expired"
    case methodNotAllowed = "method_not_allowed"
    case notAcceptable = "not_acceptable"
    case requestTimeout = "request_timeout"
    case payloadTooLarge = "payload_too_large"
    case uriTooLong = "uri_too_long"
    case unsupportedMediaType = "unsupported_media_type"
    case misdirectedRequest = "misdirected_request"
    case headersTooLarge = "headers_too_large"
    case unauthorized
    case forbidden
    case tooManyRequests = "too_many_requests"
    case draining
    case tooManyConnections = "too_many_connections"
    case storageFailed = "storage_failed"
    case notImplemented = "not_implemented"
    case `internal`
  }

  /// One fault of a body, a query or a header field.
  public struct Fault: Sendable, Equatable {
    /// What kind of mistake it is.
    public var code: Code
    /// Where: a JSON Pointer (RFC 6901) into the body, `?name` for a query parameter, or a
    /// header field's name.
    public var pointer: String
    /// What is wrong there, in words.
    public var detail: String

    /// Says what is wrong with one place of a request.
    public init(_ code: Code, at pointer: String, _ detail: String) {
      self.code = code
      self.pointer = pointer
      self.detail = detail
    }
  }

  /// What kind of problem it is; the status and the title follow from it.
  public var code: Code
  /// The errno that the kernel's interface would have given, by its symbol.
  public var errno: String?
  /// What went wrong this time, in words.
  public var detail: String
  /// The path that the problem is about; nil until somebody knows it.
  public var instance: String?
  /// All that is wrong with the request, place by place; empty where it is not the request.
  public var faults: [Fault]
  /// Further members, written by whoever knows them.
  public var members: (@Sendable (inout JSONWriter) -> Void)?
  /// Header fields that the answer must have, such as `Allow`.
  public var headers: [(name: Response.HeaderName, value: String)] = []
  /// Whether nothing more can be read from the connection.
  public var closesConnection = false

  /// Puts a problem together.
  ///
  /// - Parameter errno: the name of the kernel's error, where there is one.
  public init(_ code: Code, errno: String? = nil, _ detail: String, faults: [Fault] = []) {
    self.code = code
    self.errno = errno ?? code.usualErrno
    self.detail = detail
    self.faults = faults
  }

  /// A problem made of all faults that were found in one input.
  public init(faults: [Fault]) {
    let first = faults.first ?? Fault(.invalidField, at: "", "invalid")
    let isAlike = faults.allSatisfy { $0.code == first.code }
    let more = faults.count > 1 ? " (and \(faults.count - 1) more)" : ""
    let place = first.pointer.isEmpty ? "" : "\(first.pointer): "
    self.init(
      isAlike ? first.code : .invalidField, "\(place)\(first.detail)\(more)", faults: faults)
  }

  /// The status code that the problem is answered with.
  public var status: Int { code.status }

  /// The same problem of a document that has this one's inside it, at a JSON Pointer.
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

  /// The problem document.
  public func body() -> [UInt8] {
    var writer = JSONWriter()
    write(to: &writer)
    return writer.bytes
  }

  /// Writes the problem document (RFC 9457, section 3).
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
  /// The status code that a problem of this kind is answered with.
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

  /// The errno that goes with a code unless the one who reports it knows a better one.
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

  /// The summary that all problems of this kind have in common.
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
