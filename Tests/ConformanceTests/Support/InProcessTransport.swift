// SPDX-License-Identifier: Apache-2.0
import Conformance
import ControlPlane
import HTTPCore
import IOMMUFD
import MockDriver
import SMMUDriver

/// The kinds of IOMMUs that hosts may have.
func models() -> [any SMMUModel] { [SMMUv3Model(), MockModel(), VTDModel()] }

/// A control plane of its own in this process.
final class InProcessTransport: Transport {
  private let plane: ControlPlane

  init() throws {
    plane = try ControlPlane(
      ControlPlane.Configuration(
        models: models(), clock: { Timestamp(microseconds: 1_700_000_000_000_000) }))
  }

  func send(_ request: APIRequest) throws(TransportFailure) -> APIAnswer {
    let body = request.body ?? []
    var headers = Headers()
    if request.body != nil { headers.add(.contentType, "application/json") }
    guard let method = HTTPCore.Method(rawValue: request.method),
      let target = try? Target(Array(request.path.utf8))
    else { throw TransportFailure("\(request.method) \(request.path) is no request") }
    let head = RequestHead(
      method: method, target: target, headers: headers, contentLength: UInt64(body.count),
      hasBody: request.body != nil)
    let response = plane.respond(to: Request(head: head, body: body))
    guard case .bytes(let bytes) = response.body else {
      throw TransportFailure("\(request.path) was answered with a stream")
    }
    return APIAnswer(status: response.status, body: bytes)
  }
}
