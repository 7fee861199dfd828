// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import Foundation
import HTTPCore
import IOMMUFD
import MockDriver
import SMMUDriver

/// The API in process, without HTTP around it.
struct Service {
  /// All kinds of SMMUs that the server has, in its order.
  static let models: [any SMMUModel] = [
    SMMUv3Model(), BareSMMUv3Model(), MockModel(), VTDModel(),
  ]

  let api: ControlPlane

  init(tokens: TokenGuard? = nil) throws {
    var configuration = ControlPlane.Configuration(models: Service.models) {
      Timestamp(microseconds: 1_795_348_800_000_000)
    }
    configuration.openAPI = (Document.yamlBytes, Document.jsonBytes)
    configuration.tokens = tokens
    api = try ControlPlane(configuration)
  }

  struct Answer {
    let response: Response
    let body: [UInt8]

    var status: Int { response.status }
    var json: JSONTree { (try? JSONTree(json: body)) ?? .null }
    var mediaType: String? {
      response[.contentType].map { String($0.prefix { $0 != ";" }) }
    }
  }

  func send(
    _ method: String, _ path: String, _ body: [UInt8] = [],
    _ headers: [Headers.Name: String] = [:]
  ) throws -> Answer {
    var fields = Headers()
    for (name, value) in headers { fields.add(name, value) }
    if !body.isEmpty, headers[.contentType] == nil {
      // Memory is written as it is; every other body is JSON.
      fields.add(.contentType, path.contains("/memory") ? MediaType.octets : MediaType.json)
    }
    let head = RequestHead(
      method: HTTPCore.Method(rawValue: method) ?? .get, target: try Target(Array(path.utf8)),
      headers: fields, hasBody: !body.isEmpty)
    let response = api.respond(to: Request(head: head, body: body))
    return Answer(response: response, body: Service.bytes(of: response))
  }

  func send(_ method: String, _ path: String, _ body: JSONTree) throws -> Answer {
    try send(method, path, body.bytes)
  }

  /// All of a body; of a stream that does not end, what there is.
  private static func bytes(of response: Response) -> [UInt8] {
    switch response.body {
    case .bytes(let bytes): return bytes
    case .deferred: return []
    case .stream(let source):
      var bytes: [UInt8] = []
      while source.produce(into: &bytes, limit: 1 << 16, now: 0) == .ready {}
      source.closed()
      return bytes
    }
  }

  /// Makes the objects that the examples of the document speak of, as the contract tests do.
  func furnish() throws {
    let answer = try send("POST", "/v1/batch", Service.world)
    guard answer.status == 200 else {
      throw Unfurnished(text: String(decoding: answer.body, as: UTF8.self))
    }
  }

  struct Unfurnished: Error { let text: String }

  private static let world: [UInt8] = {
    let tests = URL(filePath: #filePath).deletingLastPathComponent()
    let file = tests.appending(path: "../../contract/world.json")
    return Array((try? Data(contentsOf: file)) ?? Data())
  }()
}
