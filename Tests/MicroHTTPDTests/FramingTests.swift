// SPDX-License-Identifier: Apache-2.0
import RawHTTPClient
import Testing

/// A request that is refused for its framing, with what hides behind it.
struct Abuse: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let bytes: [UInt8]
  let status: Int
  /// Whether the answer is ours; the library refuses some by itself, in HTML.
  let isOurs: Bool

  init(_ name: String, _ text: String, status: Int = 400, isOurs: Bool = true) {
    testDescription = name
    // Latin 1, so that every byte can be written.
    bytes = text.unicodeScalars.map { UInt8($0.value) }
    self.status = status
    self.isOurs = isOurs
  }

  /// A request with these fields besides Host, and no body.
  static func fields(
    _ name: String, _ fields: String, status: Int = 400, isOurs: Bool = true
  ) -> Abuse {
    Abuse(
      name, "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n", status: status, isOurs: isOurs)
  }

  static func line(
    _ name: String, _ line: String, status: Int = 400, isOurs: Bool = true
  ) -> Abuse {
    Abuse(name, "\(line)\r\nHost: a\r\n\r\n", status: status, isOurs: isOurs)
  }

  static let lengths = [
    fields("length, then coding", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
    fields("coding, then length", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
    fields("two lengths", "Content-Length: 0\r\nContent-Length: 5"),
    fields("the same length twice", "Content-Length: 0\r\nContent-Length: 0"),
    fields("a space before the colon", "Content-Length : 5"),
    fields("a tab before the colon", "Content-Length\t: 5"),
    fields("a folded length", "Content-Length: 5\r\n 0"),
    fields("a length over the limit", "Content-Length: 18446744073709551615", status: 413),
    fields(
      "a length over 64 bits", "Content-Length: 18446744073709551616", status: 413, isOurs: false),
    fields("a signed length", "Content-Length: +5", isOurs: false),
    fields("a negative length", "Content-Length: -5", isOurs: false),
    fields("a hexadecimal length", "Content-Length: 0x5", isOurs: false),
    fields("a list of lengths", "Content-Length: 5, 5", isOurs: false),
    fields("an empty length", "Content-Length:", isOurs: false),
  ]

  static let codings = [
    fields("gzip", "Transfer-Encoding: gzip", status: 501),
    fields("a coding that nobody knows", "Transfer-Encoding: xchunked", status: 501),
    fields("identity", "Transfer-Encoding: identity"),
    fields("chunked, then gzip", "Transfer-Encoding: chunked, gzip"),
    fields("gzip, then chunked", "Transfer-Encoding: gzip, chunked"),
    fields("a parameter", "Transfer-Encoding: chunked;q=1"),
    fields("no coding", "Transfer-Encoding:"),
    fields("chunked with a space behind", "Transfer-Encoding: chunked "),
    fields("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    Abuse("HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
  ]

  static let fields = [
    fields("two Hosts", "Host: a"),
    Abuse("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    Abuse("no Host", "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    Abuse("a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    Abuse("a list of Hosts", "GET / HTTP/1.1\r\nHost: x,y\r\n\r\n"),
    Abuse("half an address", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    Abuse("a Host with two ports", "GET / HTTP/1.1\r\nHost: x:80:80\r\n\r\n"),
    Abuse("a port that is no number", "GET / HTTP/1.1\r\nHost: x:abc\r\n\r\n"),
    Abuse("a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    fields("a name that is no token", "X(: a"),
    fields("an empty name", ": a"),
    fields("an empty name and value", ":\r\nX: y"),
    fields("a folded field", "X: a\r\n b"),
    fields("a field folded into nothing", "X: a\r\n "),
    Abuse("a folded first line", "GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n"),
    fields("a NUL in a value", "X: a\0b"),
    fields("a NUL in the last value", "Y: a\r\nX: a\0"),
    fields("a NUL in a name", "X\0: b", isOurs: false),
    fields("a control byte in a value", "X: a\u{1}b"),
    fields("a CR in a value", "X: a\rb"),
    fields("a DEL in a value", "X: a\u{7f}b"),
    fields("a line without a colon", "X", isOurs: false),
  ]

  static let lines = [
    line("an unknown method", "G@T / HTTP/1.1", status: 501),
    line("a method in lower case", "get / HTTP/1.1", status: 501),
    line("a long method", String(repeating: "A", count: 200) + " / HTTP/1.1", status: 501),
    line("WebDAV", "PROPFIND / HTTP/1.1", status: 501),
    line("a tunnel", "CONNECT a:80 HTTP/1.1", status: 501),
    line("two spaces before the target", "GET  / HTTP/1.1"),
    line("two spaces behind the target", "GET /  HTTP/1.1"),
    line("a space in the target", "GET /x y HTTP/1.1"),
    line("a space behind the version", "GET / HTTP/1.1 ", isOurs: false),
    line("a tab", "GET\t/ HTTP/1.1", isOurs: false),
    line("an asterisk", "GET * HTTP/1.1"),
    line("no path", "GET x HTTP/1.1"),
    line("no authority", "GET http:///x HTTP/1.1"),
    line("an escaped NUL", "GET /a%00b HTTP/1.1"),
    line("a NUL", "GET /a\0b HTTP/1.1"),
    line("a NUL before a query", "GET /a\0?b HTTP/1.1"),
    line("half an escape", "GET /% HTTP/1.1"),
    line("a bad escape", "GET /%zz HTTP/1.1"),
    line("an escape that is not UTF-8", "GET /%ff HTTP/1.1"),
    line("a byte over 0x7f", "GET /\u{ff} HTTP/1.1"),
    line("a fragment", "GET /a#b HTTP/1.1"),
    line("no version", "GET /", isOurs: false),
    line("HTTP/2", "PRI * HTTP/2.0", status: 505, isOurs: false),
  ]
}

@Suite struct FramingTests {
  private static let smuggled = get("/smuggled")

  @Test(arguments: Abuse.lengths + Abuse.codings + Abuse.fields + Abuse.lines)
  func refusedRequestNeverBecomesASecondOne(_ abuse: Abuse) throws {
    let server = try TestServer()
    let client = try server.client()
    client.send(abuse.bytes + Array(FramingTests.smuggled.utf8))
    let answer = try client.readToEnd()
    // Where the library refuses by itself it may send the head twice, but never anything else.
    let statuses = statuses(in: answer)
    #expect(server.handler.seen.isEmpty)
    #expect(statuses.allSatisfy { $0 >= 400 })
    if isLibraryStrict { return }
    #expect(statuses.first == abuse.status)
    #expect(statuses.allSatisfy { $0 == abuse.status })
    if abuse.isOurs {
      #expect(statuses.count == 1)
      let text = String(decoding: answer, as: UTF8.self)
      #expect(text.contains("Content-Type: application/problem+json\r\n"))
      #expect(text.contains("Connection: close\r\n"))
    }
  }

  @Test(arguments: Abuse.codings.prefix(6))
  func refusalComesThoughTheBodyIsStillOnItsWay(_ abuse: Abuse) throws {
    let server = try TestServer()
    let client = try server.client()
    client.send(abuse.bytes + [UInt8](repeating: 0x41, count: 4 << 20))
    let statuses = try statuses(in: client.readToEnd())
    #expect(statuses == [isLibraryStrict ? 400 : abuse.status])
  }

  @Test func blanksBehindAValueAreNotPartOfIt() throws {
    let server = try TestServer()
    let client = try server.client()
    let request = "GET /x HTTP/1.1\r\nHost: a \t \r\nAccept: text/plain \r\n\r\n"
    #expect(try client.exchange(request).status == 200)
    #expect(server.handler.seen[0].head.headers[.host] == "a")
    #expect(server.handler.seen[0].head.headers[.accept] == "text/plain")
  }

  /// Bodies in chunks that the library takes and a proxy may read as something longer.
  private static let chunkedBodies = [
    "3\r\nabc\r\n0\r\n\r\n", "3;\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\n\n",
    "3;a=\u{0}\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n:\r\n",
  ]

  @Test(arguments: chunkedBodies)
  func nothingBehindAChunkedBodyIsARequest(_ body: String) throws {
    let server = try TestServer()
    let client = try server.client()
    client.send(
      "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        + FramingTests.smuggled)
    let answer = try client.readToEnd()
    #expect(statuses(in: answer).count <= 1)
    #expect(
      !server.handler.seen.contains { $0.head.target.rawPath.elementsEqual("/smuggled".utf8) })
  }

  @Test(.enabled(if: !isLibraryStrict)) func bareLineFeedsAreTaken() throws {
    let server = try TestServer()
    let client = try server.client()
    #expect(try client.exchange("GET /lf HTTP/1.1\nHost: a\n\n").status == 200)
  }

  @Test func harmlessDeviationsAreTaken() throws {
    let server = try TestServer()
    let client = try server.client()
    #expect(try client.exchange("\r\nGET /blank HTTP/1.1\r\nHost: a\r\n\r\n").status == 200)
    #expect(try client.exchange(get("/blanks", "X:  \t y", "Z:")).status == 200)
    #expect(try client.exchange("GET /old HTTP/1.0\r\n\r\n").status == 200)
    #expect(server.handler.seen.map(\.path) == ["/blank", "/blanks", "/old"])
  }

  @Test func absoluteFormLosesItsAuthority() throws {
    let server = try TestServer()
    let client = try server.client()
    for target in ["http://h:1/x?y=z", "HTTPS://h/x?y=z"] {
      #expect(try client.exchange(get(target)).status == 200)
    }
    #expect(try client.exchange(get("http://h")).status == 200)
    #expect(server.handler.seen.map(\.path) == ["/x", "/x", "/"])
    #expect(server.handler.seen[0].head.target.query == Array("y=z".utf8))
  }

  @Test func optionsForTheServerAreAnsweredWithoutTheHandler() throws {
    let server = try TestServer()
    let client = try server.client()
    let response = try client.exchange("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(response.status == 204)
    #expect(response["Allow"] == "GET, HEAD, POST, PUT, DELETE, OPTIONS")
    #expect(server.handler.seen.isEmpty)
    #expect(try client.exchange(get("/next")).status == 200)
  }

  @Test(arguments: ["TRACE", "PATCH", "OPTIONS"])
  func knownMethodsReachTheHandler(_ method: String) throws {
    let server = try TestServer()
    let client = try server.client()
    client.send("\(method) /x HTTP/1.1\r\nHost: a\r\n\r\n")
    _ = try client.readHead()
    #expect(server.handler.seen.map(\.head.method.rawValue) == [method])
  }

  @Test func escapedSlashStaysInItsSegment() throws {
    let server = try TestServer()
    let client = try server.client()
    #expect(try client.exchange(get("/a%2Fb/c?d=%2F")).status == 200)
    let target = server.handler.seen[0].head.target
    #expect(target.segmentCount == 2)
    #expect(target.text(0) == "a/b")
    #expect(target.query == Array("d=%2F".utf8))
  }
}
