// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// What a request's header fields say about its framing, gathered field by field.
///
/// The library takes the first of two lengths, prefers one of a length and a coding, and runs
/// whatever is left over as the next request. So this is stricter than the library wherever two
/// readers of the same bytes could see two different requests.
struct HeaderSection {
  private(set) var kept = Headers()
  private(set) var fault: FramingFault?
  private(set) var contentLength: UInt64?
  private(set) var isChunked = false
  private(set) var expectsContinue = false
  /// How many fields there are.
  private(set) var fieldCount = 0
  private var hostCount = 0
  private var hasLength = false
  private var hasCoding = false

  var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }

  /// Takes the next field. The memory is only looked at during the call.
  ///
  /// - Returns: whether it is an expectation, which the library knows too.
  @unsafe mutating func take(
    name: UnsafeBufferPointer<UInt8>, value sent: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    fieldCount += 1
    guard unsafe CharacterClass.isToken(name) else { return refuse(.badFieldName) }
    guard unsafe CharacterClass.isFieldValue(sent) else { return refuse(.badFieldValue) }
    // Blanks behind a value are not part of it (RFC 9112, section 5.1). Those before it the
    // library leaves out.
    let value = unsafe ASCII.withoutBlanksBehind(sent)
    switch unsafe FieldTable.shared.field(named: name) {
    case .other: break
    case .kept(let name): kept.add(name, unsafe String(decoding: value, as: UTF8.self))
    case .host: unsafe takeHost(value)
    case .contentLength: unsafe takeLength(value)
    // The library knows a coding only without blanks behind it, so that such a body would be
    // framed in two ways.
    case .transferEncoding: unsafe takeCoding(sent)
    case .expect:
      if unsafe ASCII.equal(value, "100-continue") { expectsContinue = true }
      return true
    }
    return false
  }

  private mutating func refuse(_ fault: FramingFault) -> Bool {
    note(fault)
    return false
  }

  /// Looks at the section as a whole, once all fields were taken.
  mutating func finish(isHTTP10: Bool) {
    if hasLength && hasCoding { note(.lengthAndCoding) }
    if isHTTP10 && hasCoding { note(.codingInOldVersion) }
    if !isHTTP10 && hostCount == 0 { note(.noHost) }
  }

  /// The first fault is the one that is told.
  mutating func note(_ fault: FramingFault) {
    if self.fault == nil { self.fault = fault }
  }

  private mutating func takeHost(_ value: UnsafeBufferPointer<UInt8>) {
    hostCount += 1
    if hostCount > 1 { note(.twoHosts) }
    // A host that is one to us and something else to whoever is in front would be served as the
    // wrong one (RFC 9112, section 3.2).
    let text = unsafe String(decoding: value, as: UTF8.self)
    if !Authority.isUsualLoopback(text), Authority(text) == nil { note(.badHost) }
    kept.add(.host, text)
  }

  private mutating func takeLength(_ value: UnsafeBufferPointer<UInt8>) {
    if hasLength { note(.twoLengths) }
    hasLength = true
    var length: UInt64 = 0
    for index in value.indices {
      let byte = unsafe value[index]
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return note(.badLength) }
      let (tenfold, overflow) = length.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tenfold.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
      if overflow || carry { return note(.badLength) }
      length = sum
    }
    if value.isEmpty { return note(.badLength) }
    contentLength = length
  }

  private mutating func takeCoding(_ value: UnsafeBufferPointer<UInt8>) {
    if hasCoding { note(.twoCodings) }
    hasCoding = true
    if unsafe ASCII.equal(value, "chunked") {
      isChunked = true
    } else if unsafe CharacterClass.isToken(value) && !ASCII.equal(value, "identity") {
      note(.unknownCoding)
    } else {
      note(.badCoding)
    }
  }
}

/// What is wrong with the framing of a request.
enum FramingFault: Equatable {
  case badRequestLine
  case badFieldName
  case badFieldValue
  case unaccountedBytes
  case noHost
  case twoHosts
  case badHost
  case badLength
  case twoLengths
  case twoCodings
  case badCoding
  case unknownCoding
  case lengthAndCoding
  case codingInOldVersion

  var problem: Problem {
    Problem(self == .unknownCoding ? .notImplemented : .malformedRequest, detail)
  }

  private var detail: String {
    switch self {
    case .badRequestLine: "the request line is not `method SP target SP version`"
    case .badFieldName: "a header field has a name that is not a token"
    case .badFieldValue: "a header field has a control character in its value"
    case .unaccountedBytes: "the header section is not one field a line"
    case .noHost: "there is no Host"
    case .twoHosts: "there is more than one Host"
    case .badHost: "Host is empty or not a host"
    case .badLength: "Content-Length is not a number"
    case .twoLengths: "there is more than one Content-Length"
    case .twoCodings: "there is more than one Transfer-Encoding"
    case .badCoding: "Transfer-Encoding is something else than chunked"
    case .unknownCoding: "the transfer coding is not known; only chunked is"
    case .lengthAndCoding: "there are both Content-Length and Transfer-Encoding"
    case .codingInOldVersion: "HTTP/1.0 has no Transfer-Encoding"
    }
  }
}
