// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Synchronization
import Testing

@Suite struct ProblemTests {
  @Test(
    arguments: [
      (.malformedJSON, 400, "EINVAL"), (.malformedRequest, 400, nil), (.unauthorized, 401, nil),
      (.forbidden, 403, nil), (.notFound, 404, "ENOENT"), (.methodNotAllowed, 405, nil),
      (.notAcceptable, 406, nil), (.requestTimeout, 408, nil), (.pinned, 409, "EBUSY"),
      (.busy, 409, "EBUSY"), (.exists, 409, "EEXIST"), (.exhausted, 409, "ENOSPC"),
      (.cursorExpired, 410, nil), (.preconditionFailed, 412, nil), (.planChanged, 412, nil),
      (.payloadTooLarge, 413, nil), (.uriTooLong, 414, nil), (.unsupportedMediaType, 415, nil),
      (.invalidField, 422, "EINVAL"), (.unknownField, 422, "EINVAL"),
      (.referenceNotFound, 422, "ENOENT"), (.unsupported, 422, "EOPNOTSUPP"),
      (.hardwareRejected, 422, "EIO"), (.rejected, 422, nil), (.tooManyRequests, 429, nil),
      (.headersTooLarge, 431, nil), (.internal, 500, nil), (.notImplemented, 501, nil),
      (.draining, 503, nil), (.tooManyConnections, 503, nil), (.storageFailed, 503, nil),
    ] as [(Problem.Code, Int, String?)])
  func codeHasOneStatusAndItsErrno(
    _ code: Problem.Code, _ status: Int, _ errno: String?
  ) throws {
    let problem = Problem(code, "why")
    #expect(problem.status == status)
    let root = try JSONParser.parse(problem.body()).root
    #expect(root.member("type")?.string == "urn:viommud:problem:\(code.rawValue)")
    #expect(root.member("code")?.string == code.rawValue)
    #expect(root.member("status")?.quantity == UInt64(status))
    #expect(root.member("errno")?.string == errno)
    #expect(root.member("detail")?.string == "why")
    #expect(root.member("title")?.string?.isEmpty == false)
  }

  @Test func everyCodeIsInTheTableAbove() {
    #expect(Problem.Code.allCases.count == 32)
  }

  @Test func documentListsAllFaults() throws {
    let problem = Problem(faults: [
      .init(.unknownField, at: "/a~1b", "unknown field"), .init(.invalidField, at: "?x", "bad"),
    ])
    #expect(problem.code == .invalidField)
    #expect(problem.detail == "/a~1b: unknown field (and 1 more)")
    let errors = try JSONParser.parse(problem.body()).root.member("errors")?.elements ?? []
    #expect(errors.map { $0.member("pointer")?.string } == ["/a~1b", "?x"])
    #expect(errors.map { $0.member("code")?.string } == ["unknown_field", "invalid_field"])
  }

  @Test func responseCarriesTheProblem() {
    var problem = Problem(.methodNotAllowed, "no")
    problem.headers = [(.allow, "GET")]
    problem.closesConnection = true
    problem.instance = "/v1/x"
    problem.members = { $0.field("extra", int: 7) }
    let response = problem.response()
    #expect(response.status == 405)
    #expect(response[.contentType] == "application/problem+json")
    #expect(response[.allow] == "GET")
    #expect(response.closesConnection)
    guard case .bytes(let body) = response.body else {
      Issue.record("the body is not there")
      return
    }
    let text = String(decoding: body, as: UTF8.self)
    #expect(text.hasSuffix(#""instance":"/v1/x","extra":7}"#))
  }

  // MARK: Headers

  @Test func fieldLinesOfOneNameAreJoined() {
    var headers = Headers()
    headers.add(.ifMatch, "\"a\"")
    headers.add(.accept, "x/y")
    headers.add(.ifMatch, "\"b\"")
    #expect(headers[.ifMatch] == "\"a\", \"b\"")
    #expect(headers[.accept] == "x/y")
    #expect(headers[.authorization] == nil)
  }

  // MARK: Deferred responses

  private final class Answers: Sendable {
    private let statuses = Mutex<[Int]>([])
    func note(_ response: Response) { statuses.withLock { $0.append(response.status) } }
    var all: [Int] { statuses.withLock { $0 } }
  }

  @Test(arguments: [true, false])
  func answerIsGivenWhicheverComesFirst(_ answerIsFirst: Bool) {
    let deferred = DeferredResponse()
    let answers = Answers()
    if answerIsFirst { deferred.fulfil(Response(status: 201)) }
    deferred.onAnswer { answers.note($0) }
    #expect(answers.all == (answerIsFirst ? [201] : []))
    if !answerIsFirst { deferred.fulfil(Response(status: 201)) }
    #expect(answers.all == [201])
  }

  @Test(arguments: [0, 1, 2])
  func answerIsGivenOnce(_ answersBefore: Int) {
    let deferred = DeferredResponse()
    let answers = Answers()
    for number in 0..<answersBefore { deferred.fulfil(Response(status: 200 + number)) }
    deferred.onAnswer { answers.note($0) }
    for number in answersBefore..<4 { deferred.fulfil(Response(status: 200 + number)) }
    #expect(answers.all == [200])
  }
}
