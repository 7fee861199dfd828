// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// Queues of page faults, the files of both kinds of queues, and answers.
enum FaultQueueOperations {
  static let all: [OperationDefinition] = [
    .init("fault_alloc", ["name", "flags"], allocate),
    .init("read_fault", ["name", "count"], read),
    .init("respond_fault", ["name", "cookie", "code", "count"], respond),
    .init("poll", ["name"], poll),
    .init("close_fd", ["name"], closeFile),
  ]

  /// Bytes to read if a script does not say how many: the whole queue, in whole records of 40.
  private static let wholeQueue: UInt64 = 40 * 1024
  /// Bytes of `struct iommu_hwpt_page_response`.
  private static let responseSize: UInt64 = 8

  @Sendable private static func allocate(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let flags = try arguments.u32("flags", default: 0)
    if flags == 0 {
      return try stage.create(.faultQueue, arguments.name) { writer in
        writer.field("context", text: Stage.mainContext)
        writer.field("file", text: "open")
      }.outcome
    }
    let argument = StructBytes.argument(.u32(flags), .u32(0), .u32(0))
    return try stage.create(.faultQueue, arguments.name, .faultQueueAlloc, argument).answer.outcome
  }

  @Sendable private static func read(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let id = try stage.table.id(arguments.name, as: .faultQueue)
    let count = try arguments.number("count", default: wholeQueue)
    let reply = try stage.client.get("/fault-queues/\(id)/faults?count=\(count)")
    if let refusal = reply.refusal { return refusal }
    var records: [TraceValue] = []
    for group in try reply.member("items").elements {
      for fault in group.member("faults")?.elements ?? [] {
        records.append(try record(stage, fault, cookie: group.member("cookie")))
      }
    }
    return .success(["bytes": .number(try reply.quantity("bytes")), "faults": .list(records)])
  }

  /// `struct iommu_hwpt_pgfault`
  private static func record(
    _ stage: Stage, _ fault: JSONValue, cookie: JSONValue?
  ) throws(PlayFailure) -> TraceValue {
    guard let device = fault.member("device")?.string,
      let group = fault.member("group")?.quantity,
      let address = fault.member("address")?.quantity
    else { throw .unexpected("a fault lacks its `device`, `group` or `address`") }
    let pasid = fault.member("pasid")?.quantity
    let permissions = ["read", "write", "execute", "privileged"].enumerated()
      .reduce(UInt64(0)) { bits, name in
        bits | (fault.member(name.element)?.bool == true ? 1 << UInt64(name.offset) : 0)
      }
    let isLast = fault.member("last")?.bool == true
    return .record([
      "dev": .text(stage.table.living(.device, id: device)?.name ?? device),
      "pasid": .number(pasid ?? 0), "grpid": .number(group), "addr": .number(address),
      "flags": .number((pasid == nil ? 0 : 1) | (isLast ? 2 : 0)), "perm": .number(permissions),
      "cookie": cookie.map { TraceValue($0) } ?? .null,
      // The kernel writes none; the API shows none.
      "length": fault.member("length").map { TraceValue($0) } ?? .number(0),
    ])
  }

  /// `enum iommufd_page_response_code`
  private static let responseCodes: [UInt64: String] = [0: "success", 1: "invalid"]

  @Sendable private static func respond(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let id = try stage.table.id(arguments.name, as: .faultQueue)
    let cookie = try arguments.u32("cookie", default: 0)
    let number = try arguments.u32("code", default: 0)
    let count = try arguments.number("count", default: responseSize)
    let code = count == responseSize ? responseCodes[UInt64(number)] : nil
    let reply = try stage.client.post("/fault-queues/\(id)/responses") { writer in
      if let code {
        writer.key("responses")
        writer.array(of: [code]) { writer, code in
          writer.object { writer in
            writer.field("cookie", int: Int(cookie))
            writer.field("code", text: code)
          }
        }
      } else {
        let bytes = StructBytes.pack([.u32(cookie), .u32(number)])
        let size = Int(min(count, 1 << 16))
        writer.field(
          "bytes", text: StructBytes.hex(Array(StructBytes.padded(bytes, to: size).prefix(size))))
      }
    }
    if let refusal = reply.refusal { return refusal }
    return .success(["bytes": .number(try reply.quantity("bytes"))])
  }

  // MARK: Files

  /// What has a file of its own: an event queue of either kind, or an access of the self-test
  /// driver, which ends with it.
  @Sendable private static func closeFile(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let object = try queue(stage, arguments, orKind: .access)
    let path = object.kind == .access ? object.path : object.path + "/file"
    let outcome = Outcome(try stage.client.delete(path))
    if object.kind == .access, outcome.errno == nil { stage.table.bury(object) }
    return outcome
  }

  @Sendable private static func poll(
    _ stage: Stage, _ arguments: Arguments
  ) throws(PlayFailure) -> Outcome {
    let reply = try stage.client.get(queue(stage, arguments).path)
    if let refusal = reply.refusal { return refusal }
    let ready = try reply.member("poll").elements.compactMap(\.string)
    return .success(["in": .bool(ready.contains("in")), "out": .bool(ready.contains("out"))])
  }

  /// A living object with a file. The driving program knows files by name, so there is no other way
  /// to ask.
  private static func queue(
    _ stage: Stage, _ arguments: Arguments, orKind other: TraceKind? = nil
  ) throws(PlayFailure) -> TableObject {
    guard let object = try stage.table.resolve(arguments.name).object,
      object.kind == .veventq || object.kind == .faultQueue || object.kind == other
    else { throw .untranslatable("`\(try arguments.name)` has no file") }
    return object
  }
}
