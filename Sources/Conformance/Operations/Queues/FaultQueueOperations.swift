// SPDX-License-Identifier: Apache-2.0
import IOMMUFDABI
import HTTPCore

/// Operations on queues of page faults: to make them, to read and answer faults, and to poll and
/// close the files of these queues and of those of events.
enum FaultQueueOperations {
  static let all: [OperationDefinition] = [
    .init("fault_alloc", ["name", "flags"], allocate),
    .init("read_fault", ["name", "count"], read),
    .init("respond_fault", ["name", "cookie", "code", "count"], respond),
    .init("poll", ["name"], poll),
    .init("close_fd", ["name"], closeFile),
  ]

  /// How many bytes are read if the script does not say it: 1,024 records of 40 bytes, more than
  /// any script reports.
  private static let usualCount: UInt64 = 40 * 1024
  /// The size of `struct iommu_hwpt_page_response`, in bytes.
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
    let count = try arguments.number("count", default: usualCount)
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

  /// A fault with the members of `struct iommu_hwpt_pgfault`.
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
      // The kernel leaves the length zero, and the API does not show it.
      "length": fault.member("length").map { TraceValue($0) } ?? .number(0),
    ])
  }

  /// The values of `enum iommufd_page_response_code`, and what the API calls them.
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

  /// Closes the file of a queue of either kind, or of an access. In the self-test driver an access
  /// has a file as well, and ends when that is closed.
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

  /// The object whose file an operation names. The program that drove the kernel knew its files by
  /// names alone, so that a number cannot stand here.
  private static func queue(
    _ stage: Stage, _ arguments: Arguments, orKind other: TraceKind? = nil
  ) throws(PlayFailure) -> TableObject {
    guard let object = try stage.table.resolve(arguments.name).object,
      object.kind == .veventq || object.kind == .faultQueue || object.kind == other
    else { throw .untranslatable("`\(try arguments.name)` has no file") }
    return object
  }
}
