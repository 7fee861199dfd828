// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Testing

@Suite struct SiteTests {
  @Test(
    arguments: [
      ("localhost", "localhost", nil), ("LocalHost:8137", "localhost", 8137),
      ("127.0.0.1:1", "127.0.0.1", 1), ("[::1]", "::1", nil), ("[FE80::1]:65535", "fe80::1", 65535),
      ("a.example-1.org.", "a.example-1.org.", nil), ("a:", "a", nil),
    ] as [(String, String, UInt16?)])
  func hostsAreReadWithTheirPorts(_ text: String, _ host: String, _ port: UInt16?) {
    let authority = Authority(text)
    #expect(authority?.host == host)
    #expect(authority?.port == port)
  }

  @Test(arguments: [
    "", ":80", "x,y", "x y", "u@x", "x/y", "[::1", "::1", "[]", "[x]:80", "[::1]x", "x:80:80",
    "x:abc",
    "x:65536", "x:000080", "x:-1", "x:+1", "ä",
  ])
  func whatIsNoHostIsNotRead(_ text: String) {
    #expect(Authority(text) == nil)
  }

  @Test(
    arguments: [
      ("localhost", true), ("a.localhost", true), ("127.1.2.3", true), ("[::1]", true),
      ("127.0.0.1.example.org", false), ("127.evil", false), ("notlocalhost", false),
      ("10.0.0.1", false), ("[::2]", false), ("localhost.example.org", false),
    ])
  func onlyNamesThatNobodyCanPointElsewhereAreLoopback(_ text: String, _ isLoopback: Bool) throws {
    #expect(try #require(Authority(text)).isLoopback == isLoopback)
    // The short look never takes what the long one does not.
    if Authority.isUsualLoopback(text) { #expect(isLoopback) }
  }

  @Test(
    arguments: [
      ("localhost", true), ("127.0.0.1", true), ("localhost:8137", true), ("127.0.0.1:1", true),
      ("127.0.0.1:65535", true), ("127.0.0.1:65536", false), ("127.0.0.1:99999", false),
      ("127.0.0.1:123456", false), ("localhost:", false), ("localhost:x", false),
      ("localhost.example", false), ("127.0.0.1.example", false), ("LOCALHOST", false), ("", false),
      ("[::1]", false), ("127.0.0.10", false), ("localhost:80:80", false),
      ("localhost:8\u{e9}", false),
    ])
  func theShortLookKnowsTheUsualNamesOnly(_ text: String, _ isUsual: Bool) {
    #expect(Authority.isUsualLoopback(text) == isUsual)
    if isUsual { #expect(Authority(text)?.isLoopback == true) }
  }

  @Test(
    arguments: [
      ("http://localhost:8137", "localhost:8137", true),
      ("http://LOCALHOST:8137", "localhost:8137", true),
      ("http://localhost", "localhost:80", true), ("https://a.org", "a.org", true),
      ("http://[::1]:1", "[::1]:1", true),
      ("http://localhost:3000", "localhost:8137", false),
      ("http://localhost", "localhost:8137", false),
      ("http://127.0.0.1:8137", "localhost:8137", false),
      ("http://a.org:8137", "localhost:8137", false),
    ])
  func aPageIsTheServersOwnWhereHostAndPortAreTheSame(
    _ origin: String, _ host: String, _ isOwn: Bool
  ) throws {
    let origin = try #require(Origin(origin))
    #expect(origin.isServed(from: try #require(Authority(host))) == isOwn)
  }

  @Test(arguments: ["null", "", "localhost", "file:///x", "http://", "http://a/b", "ftp://a"])
  func whatIsNoOriginIsNotRead(_ text: String) {
    #expect(Origin(text) == nil)
  }

  @Test(
    arguments: [
      ("application/json; charset=UTF-8", "utf-8"), ("text/x;a=b; Charset=\"Latin1\"", "latin1"),
      ("application/json", nil), ("application/json; charset", nil),
    ] as [(String, String?)])
  func charsetsAreRead(_ type: String, _ charset: String?) {
    #expect(MediaType.charset(of: type) == charset)
  }
}
