// SPDX-License-Identifier: Apache-2.0
import Conformance
import HTTPCore

/// Answers as a server does to which everything is possible: objects get the next number, a device
/// goes to the domain that it names or to an automatic one, and an ioctl writes its argument back.
final class FakeServer: Transport {
  /// What was asked for, without the making and unmaking of hosts.
  private(set) var requests: [APIRequest] = []
  private(set) var hostsMade = 0
  private(set) var hostsDeleted = 0
  /// Answers in the place of the usual ones, by method and path.
  var answers: [String: String] = [:]
  /// Problems in the place of answers, by method and path.
  var errnos: [String: String] = [:]
  private var lastNumber = 0

  private static let host = "/v1/hosts/h1"

  func send(_ request: APIRequest) throws(TransportFailure) -> APIAnswer {
    if request.path == "/v1/hosts" {
      hostsMade += 1
      return FakeServer.answer(201, #"{"id":"h1"}"#)
    }
    if request.method == "DELETE", request.path == FakeServer.host {
      hostsDeleted += 1
      return FakeServer.answer(200, "{}")
    }
    guard request.path.hasPrefix(FakeServer.host) else {
      return FakeServer.answer(404, #"{"code":"not_found","errno":"ENOENT"}"#)
    }
    let path = String(request.path.dropFirst(FakeServer.host.count))
    // Looking for automatic domains belongs to no operation.
    if path.hasPrefix("/domains?auto=true") { return FakeServer.answer(200, #"{"items":[]}"#) }
    requests.append(APIRequest(request.method, path, body: request.body))
    let key = "\(request.method) \(path)"
    if let errno = errnos[key] {
      return FakeServer.answer(422, #"{"code":"rejected","errno":"\#(errno)","detail":"so"}"#)
    }
    if let answer = answers[key] { return FakeServer.answer(200, answer) }
    return usualAnswer(request.method, path, request.body ?? [])
  }

  private func usualAnswer(_ method: String, _ path: String, _ body: [UInt8]) -> APIAnswer {
    let json = try? JSONParser.parse(body).root
    if path.hasSuffix("/ioctl") {
      lastNumber += 1
      let argument = json?.member("argument")?.string ?? ""
      return FakeServer.answer(200, #"{"argument":"\#(argument)","memory":[],"created":null}"#)
    }
    if path == "/batch" {
      lastNumber += 1
      let device = json?.member("operations")?.elements.first?.member("body")
      let id = device?.member("id")?.string ?? ""
      let shown = FakeServer.device(id, number: lastNumber, domain: "domain-1")
      return FakeServer.answer(200, #"{"results":[{"body":\#(shown)},{"body":\#(shown)}]}"#)
    }
    if method == "PUT", path.contains("/attachment") {
      let id = String(path.split(separator: "/")[1])
      let domain = json?.member("domain")?.string ?? "domain-1"
      return FakeServer.answer(200, FakeServer.device(id, number: 3, domain: domain))
    }
    if method == "POST", path.split(separator: "/").count == 1 {
      lastNumber += 1
      return FakeServer.answer(201, #"{"object_id":\#(lastNumber)}"#)
    }
    return FakeServer.answer(200, "{}")
  }

  private static func device(_ id: String, number: Int, domain: String) -> String {
    let attachment = #"{"pasid":5,"domain":"\#(domain)"}"#
    return #"{"id":"\#(id)","object_id":\#(number),"attachment":{"domain":"\#(domain)"},"#
      + #""attachments":[\#(attachment)],"hardware":{"selftest_id":\#(number + 100)}}"#
  }

  private static func answer(_ status: Int, _ text: String) -> APIAnswer {
    APIAnswer(status: status, body: Array(text.utf8))
  }
}

extension APIRequest {
  /// Method, path and body in one line.
  var text: String {
    ([method, path] + (body.map { [String(decoding: $0, as: UTF8.self)] } ?? []))
      .joined(separator: " ")
  }
}
