// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Conformance

/// The little of HTTP that the runner speaks.
@Suite struct HTTPMessageTests {
  private static let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

  @Test func `a request names its host and the length of its body`() {
    let bytes = HTTPMessage.encode(
      APIRequest("POST", "/v1/hosts", body: Array("{}".utf8)), authority: "[::1]:80")
    #expect(
      String(decoding: bytes, as: UTF8.self) == """
        POST /v1/hosts HTTP/1.1\r\nHost: [::1]:80\r\nContent-Type: application/json\r\n\
        Content-Length: 2\r\n\r\n{}
        """)
    let bare = HTTPMessage.encode(APIRequest("GET", "/livez"), authority: "h:1")
    #expect(String(decoding: bare, as: UTF8.self) == "GET /livez HTTP/1.1\r\nHost: h:1\r\n\r\n")
  }

  @Test(
    arguments: [
      ("Content-Length: 2\r\n\r\n{}", "{}", false),
      ("content-length: 2\r\nconnection: Close\r\n\r\n{}rest", "{}", true),
      ("Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x\r\n}\r\n0\r\n\r\n", "{}", false),
      ("\r\n", "", false),
    ])
  func `a response ends where it says`(rest: String, body: String, closes: Bool) throws {
    let response = try #require(try HTTPMessage.decode(Array((HTTPMessageTests.head + rest).utf8)))
    #expect(response.answer.status == 200)
    #expect(String(decoding: response.answer.body, as: UTF8.self) == body)
    #expect(response.closes == closes)
  }

  @Test func `of a response that is not whole yet nothing is read`() throws {
    for rest in [
      "Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ] {
      let whole = Array((HTTPMessageTests.head + rest).utf8)
      for count in 0..<whole.count {
        #expect(try HTTPMessage.decode(Array(whole.prefix(count))) == nil)
      }
      #expect(try HTTPMessage.decode(whole)?.length == whole.count)
    }
  }

  @Test(
    arguments: [
      "SSH-2.0\r\n\r\n", "HTTP/1.1 x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ])
  func `what is no response is said to be none`(text: String) {
    #expect(throws: TransportFailure.self) { try HTTPMessage.decode(Array(text.utf8)) }
  }
}
