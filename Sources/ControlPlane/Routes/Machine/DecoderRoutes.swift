// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import IOMMUHardware

/// Decoders for what drivers and hardware write into memory. They are about no host.
enum DecoderRoutes {
  static let all: [RouteTable.Route] = [
    .init(
      .post, "/v1/decode/command",
      Endpoint("decodeCommand", on: .server, body: .json, .answer(decodeCommand))),
    .init(
      .post, "/v1/decode/event",
      Endpoint("decodeEvent", on: .server, body: .json, .answer(decodeEvent))),
  ]

  /// Decodes a command from its words, of which any are a command of some sort; or encodes one from
  /// a name and fields.
  private static func decodeCommand(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let words = try call.decode { CommandCoding.decode($0) }
    return .object { CommandCoding.writeMembers(of: words, to: &$0) }
  }

  private static func decodeEvent(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let words = try call.decode(RecordCoding.decode)
    return .object { RecordCoding.writeMembers(of: EventRecord(words: words), to: &$0) }
  }
}
