// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// A request whose endpoint has been found.
struct Call: Sendable {
  let api: ControlPlane
  let endpoint: Endpoint
  let request: Request
  let host: Host
  /// The segments of the path that fill the parameters of the route's pattern, in order.
  let parameters: [String]
  let query: QueryReader
  /// The token that allows the request; nil where none is needed.
  var token: Token?

  /// The identifier in the path, of the object that the request is about.
  var id: String { parameters[0] }

  /// The path of the request, as it was sent.
  var path: String { String(decoding: request.head.target.rawPath, as: UTF8.self) }

  /// The key of the object that the request is about.
  func key(_ kind: ObjectKind) -> ObjectKey { ObjectKey(kind, id) }

  /// Bodies that are larger take more than a moment to be read, or what is in them to be carried
  /// out.
  private static let largestShortBody = 32 << 10
  /// So much can be gone through in a moment.
  private static let largestShortHost = 2000
  /// So many objects or bytes can be written in a moment.
  private static let largestShortLimit = 200
  private static let largestShortLength = 256 << 10

  /// Whether it may take longer than about a millisecond, so that a loop of the server, which has
  /// other clients, must not carry it out.
  var mayTakeLong: Bool {
    if request.body.count > Call.largestShortBody { return true }
    switch endpoint.effort {
    case .bounded: return false
    case .growsWithHost: return host.size.total > Call.largestShortHost
    case .growsWithQuery:
      let limit = query.text("limit").flatMap(Int.init) ?? 0
      let length = query.text("length").flatMap(Int.init) ?? 0
      return limit > Call.largestShortLimit || length > Call.largestShortLength
    case .long: return true
    }
  }

  // MARK: Body

  /// The reader of the body, which is an object. A request without a body has an empty one.
  func reader() throws(Problem) -> ObjectReader {
    try ObjectReader.body(
      request.body.isEmpty ? Array("{}".utf8) : request.body,
      depthLimit: api.configuration.limits.jsonDepth)
  }

  /// Decodes the body, which is an object.
  ///
  /// - Parameter read: reads the object's fields. Where it returns nil, it has left in the reader
  ///   what is wrong.
  /// - Throws: all that is wrong with the body.
  func decode<Value>(_ read: (ObjectReader) -> Value?) throws(Problem) -> Value {
    let reader = try reader()
    let value = read(reader)
    try reader.finish()
    guard let value else { throw Problem(.internal, "the body was neither read nor refused") }
    return value
  }

  /// Whether the body is bytes as they are, for an endpoint that also takes JSON.
  var hasOctets: Bool {
    request.head.headers[.contentType].map { MediaType.essence(of: $0) } == MediaType.octets
  }

  // MARK: Answer

  /// The answer for a client that names `tag` in `If-None-Match`, because it knows already what
  /// the tag stands for (RFC 9110, section 13.1.2); nil for any other.
  func notModified(_ tag: @autoclosure () -> EntityTag) -> Response? {
    guard let known = request.head.headers[.ifNoneMatch] else { return nil }
    let tag = tag()
    guard EntityTag.list(known, contains: tag) else { return nil }
    return Response(status: 304, headers: [(.etag, tag.text)])
  }

  // MARK: Parameters of paths and queries that several endpoints have

  /// The number in the path that is its second parameter.
  func number() throws(Problem) -> UInt32 {
    guard let number = Decimal.parse(parameters[1].utf8).flatMap({ UInt32(exactly: $0) })
    else {
      throw Problem(faults: [
        .init(.invalidField, at: "{number}", "must be an integer of 0 to \(UInt32.max)")
      ])
    }
    return number
  }

  /// The width of a register in bytes. The query has it in bits.
  func width() throws(Problem) -> Int {
    let bits = try query.int("width", in: 32...64) ?? 32
    guard bits == 32 || bits == 64 else {
      throw QueryReader.invalid("width", "must be 32 or 64")
    }
    return bits / 8
  }

  /// The offset in the path that is the parameter at a position.
  func offset(_ position: Int) throws(Problem) -> UInt64 {
    guard let offset = HexText.parse(parameters[position]) else {
      throw Problem(faults: [
        .init(.invalidField, at: "{offset}", "must be 0x and 1 to 16 hex digits")
      ])
    }
    return offset
  }
}
