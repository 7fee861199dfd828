// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// Makes the answer to an operation that was carried out or tried out.
struct Reply {
  let state: HostState
  let epoch: Int

  /// - Parameter seq: the number of the last event of the operation's transaction; nil inside a
  ///   batch, whose events have no numbers yet.
  func response(to outcome: Outcome, seq: UInt64?) -> Response {
    switch outcome {
    case .created(let key): object(key, status: 201)
    case .unchanged(let key), .changed(let key): object(key, status: 200)
    case .missing: Response(status: 204)
    case .stopped(let refusal, let progress): problem(refusal, progress).response()
    default: .object { write(outcome, seq, &$0) }
    }
  }

  /// The refusal of an operation of which a part stands. It says how far the operation came.
  func problem(_ refusal: Refusal, _ progress: Outcome.Progress) -> Problem {
    var problem = Problem(refusal)
    let encoder = state.encoder
    problem.members = { writer in
      switch progress {
      case .unmapped(let bytes): writer.field("unmapped", hex: bytes)
      case .called(let result): IoctlCoding.write(result, encoder, to: &writer)
      case .invalidated(let count): writer.field("handled", int: count)
      }
    }
    return problem
  }

  private func object(_ key: ObjectKey, status: Int) -> Response {
    guard let object = state.core.object(key) else {
      return Problem(.internal, "\(key.kind.rawValue) \(key.id) is not there").response()
    }
    return show(object, status: status)
  }

  /// An answer that shows an object as it is, with its entity tag. A new object is shown with its
  /// path, too.
  func show(_ object: Object, status: Int) -> Response {
    // The tag is made before the object is written. Should the hardware change in between, the tag
    // is that of the older state, so that whoever has it asks once more.
    let tag = EntityTag(object, epoch: epoch)
    var writer = JSONWriter(capacity: 960)
    if status == 201, let bare = state.events.justCreated(object) {
      // The event of the object's creation has all of it but the pins.
      state.encoder.write(object, bare: bare, to: &writer)
    } else {
      state.encoder.write(object, to: &writer)
    }
    var headers: [(name: Response.HeaderName, value: String)] = [
      (.contentType, MediaType.json), (.etag, tag.text),
    ]
    if status == 201 { headers.append((.location, state.encoder.path(object.key))) }
    return Response(status: status, headers: headers, body: .bytes(writer.bytes))
  }

  private func write(_ outcome: Outcome, _ seq: UInt64?, _ writer: inout JSONWriter) {
    switch outcome {
    case .created, .unchanged, .changed, .missing, .stopped, .done: break
    case .deleted(let keys): writeDeleted(keys, &writer)
    case .mapped(let area): AreaCoding.writeMembers(of: area, to: &writer)
    case .unmapped(let bytes): writer.field("unmapped", hex: bytes)
    case .raised(let raised): EventCoding.write(raised.disposition, to: &writer)
    case .pagesRequested(let queue): writer.field("fault_queue", text: queue)
    case .vevents(let records):
      writer.key("items")
      writer.array(of: records) { EventCoding.write($1, to: &$0) }
      writer.field("bytes", int: records.reduce(0) { $0 + $1.byteCount })
      return
    case .faults(let groups):
      writer.key("items")
      writer.array(of: groups) { EventCoding.write($1, to: &$0) }
      writer.field("bytes", int: groups.reduce(0) { $0 + $1.byteCount })
      return
    case .responded(let count):
      writer.field("answered", int: count)
      writer.field("bytes", int: count * FaultResponse.recordBytes)
    case .written(let bytes):
      writer.field("answered", int: bytes / FaultResponse.recordBytes)
      writer.field("bytes", int: bytes)
    case .called(let result): IoctlCoding.write(result, state.encoder, to: &writer)
    case .memoryMapped(let context, let number):
      guard let context = state.core.object(.context, context) as? Context,
        let map = context.memoryMaps[number]
      else { break }
      MemoryMapCoding.writeMembers(of: map, number, to: &writer)
    case .pinned(let number): writer.field("pin", int: Int(number))
    case .memoryWritten(let count): writer.field("bytes", int: count)
    case .invalidated(let count): writer.field("handled", int: count)
    case .submitted(let submission, let described):
      SubmissionCoding.write(submission.result, described: described, to: &writer)
    case .accessed(let outcome):
      let machine = state.machine
      DMACoding.write(outcome.result, since: { machine.event(after: $0) }, to: &writer)
    case .trafficStarted(let device): state.traffic[device]?.write(to: &writer)
    }
    if let seq { writer.field("seq", int: Int(seq)) }
  }

  private func writeDeleted(_ keys: [ObjectKey], _ writer: inout JSONWriter) {
    writer.key("deleted")
    writer.array(of: keys) { writer, key in
      writer.object { $0.reference(to: key) }
    }
  }
}
