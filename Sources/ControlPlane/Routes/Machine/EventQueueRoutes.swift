// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// Reading veventqs and fault queues, and answering faults.
enum EventQueueRoutes {
  static let all: [RouteTable.Route] = [
    .init(
      .get, "/veventqs/{id}/events",
      Endpoint(
        "readVEvents", needs: .write, query: ["limit", "count", "follow"], effort: .bounded,
        .answer(readVEvents))),
    .init(.delete, "/veventqs/{id}/file", closeFile("closeVEventFile", .veventq)),
    .init(
      .get, "/fault-queues/{id}/faults",
      Endpoint(
        "readFaults", needs: .write, query: ["limit", "count", "follow"], effort: .bounded,
        .answer(readFaults))),
    .init(.post, "/fault-queues/{id}/responses", respond),
    .init(.delete, "/fault-queues/{id}/file", closeFile("closeFaultFile", .faultQueue)),
  ]

  private static let readLimit = 4096
  /// Bytes of the largest buffer that a client may read with.
  private static let bufferLimit = 1 << 26

  private static func closeFile(_ operationID: String, _ kind: ObjectKind) -> Endpoint {
    Endpoint(operationID, changing: kind) { call in .closeFiles(call.key(kind)) }
  }

  private static let respond = Endpoint("respondToFaults", changing: .faultQueue, body: .json) {
    call throws(Problem) in
    try call.decode { EventCoding.decodeResponses($0, to: call.id) }
  }

  private static func readVEvents(_ call: Call) throws(Problem) -> Response {
    try read(call, .veventq, recordBytes: 40) { name, count in
      .readVEvents(queue: name, count: count)
    }
  }

  private static func readFaults(_ call: Call) throws(Problem) -> Response {
    try read(call, .faultQueue, recordBytes: FaultGroup.recordBytes) { name, count in
      .readFaults(queue: name, count: count)
    }
  }

  /// Reads a queue once, or follows it.
  ///
  /// - Parameter recordBytes: the size that a whole record has in the event file.
  private static func read(
    _ call: Call, _ kind: ObjectKind, recordBytes: Int,
    _ operation: (String, Int) -> Operation
  ) throws(Problem) -> Response {
    let isFollowing = try call.query.bool("follow")
    let limit = try call.query.int("limit", in: 1...readLimit)
    let count = try call.query.int("count", in: 0...bufferLimit)
    if limit != nil, count != nil {
      throw QueryReader.invalid("count", "does not go with limit")
    }
    if isFollowing {
      if limit != nil || count != nil {
        throw QueryReader.invalid("follow", "reads all there is, without limit and count")
      }
      return try QueueStream.open(call, call.key(kind))
    }
    try Accept.require([MediaType.json], call.request)
    // Reading consumes, and a HEAD must change nothing.
    if call.request.head.method == .head {
      try call.host.read { state throws(Problem) in _ = try state.find(call.key(kind)) }
      return Response(status: 200, json: [])
    }
    let bytes = count ?? (limit ?? readLimit) * recordBytes
    let response = call.host.change(
      Change(operation: operation(call.id, bytes)), Conditions())
    // A second reader must not get from a cache what the first has consumed.
    return response.status == 200 ? response.notStored() : response
  }
}
