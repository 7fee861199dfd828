// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import IOMMUHardware

/// Decoders for what drivers and hardware write; they are about no host.
enum DecoderRoutes {
  static let all: [RouteTable.Route] = [
    .init(
      .post, "/v1/decode/command",
      Endpoint("decodeCommand", body: .json, .answer(decodeCommand))),
    .init(
      .post, "/v1/decode/event", Endpoint("decodeEvent", body: .json, .answer(decodeEvent))),
  ]

  /// Any sixteen bytes are a command; and back from a name and fields to the words.
  private static func decodeCommand(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let reader = try call.reader()
    let words = CommandCoding.decode(reader)
    try reader.finish()
    var writer = JSONWriter()
    writer.object { CommandCoding.writeMembers(of: words ?? [], to: &$0) }
    return Response(status: 200, json: writer.bytes)
  }

  private static func decodeEvent(_ call: Call) throws(Problem) -> Response {
    try Accept.require([MediaType.json], call.request)
    let reader = try call.reader()
    let words = RecordCoding.decode(reader)
    try reader.finish()
    var writer = JSONWriter()
    writer.object { writer in
      RecordCoding.writeMembers(of: EventRecord(words: words ?? [0, 0, 0, 0]), to: &writer)
    }
    return Response(status: 200, json: writer.bytes)
  }
}
