// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// How hardware events and page faults are shown, and how answers to faults are read.
enum EventCoding {
  // MARK: vEVENTs

  static func write(_ record: VEventRecord, to writer: inout JSONWriter) {
    writer.object { writeMembers(of: record, to: &$0) }
  }

  static func writeMembers(of record: VEventRecord, to writer: inout JSONWriter) {
    writer.field("sequence", int: Int(record.sequence))
    writer.field("lost_events", bool: record.isLost)
    writer.key("data")
    writer.array(of: record.data?.words ?? []) { $0.hex($1) }
  }

  static func write(_ disposition: EventDisposition?, to writer: inout JSONWriter) {
    switch disposition {
    // In a dry run, and in a batch before it commits, nobody knows yet where the record will go.
    case nil:
      writer.field("disposition", text: "undecided")
    case .forwarded(let viommu, let virtualID):
      writer.field("disposition", text: "forwarded")
      writer.field("viommu", text: viommu)
      writer.field("virt_id", hex: virtualID)
    case .queued:
      writer.field("disposition", text: "queued")
    case .faulted:
      writer.field("disposition", text: "faulted")
    case .logged(let errno):
      writer.field("disposition", text: "logged")
      writer.field("errno", text: errno.rawValue)
    }
  }

  // MARK: Page faults

  static func write(_ group: FaultGroup, to writer: inout JSONWriter) {
    writer.object { writeMembers(of: group, to: &$0) }
  }

  static func writeMembers(of group: FaultGroup, to writer: inout JSONWriter) {
    writer.field("cookie", int: group.cookie.map(Int.init))
    writer.key("faults")
    writer.array(of: group.faults) { writer, fault in
      writer.object { writer in
        writer.field("device", text: fault.device)
        writer.field("device_id", int: Int(fault.deviceID))
        writer.field("pasid", int: fault.pasid.map(Int.init))
        writer.field("group", int: Int(fault.group))
        writer.field("address", hex: fault.address)
        writer.field("read", bool: fault.isRead)
        writer.field("write", bool: fault.isWrite)
        writer.field("execute", bool: fault.isExecute)
        writer.field("privileged", bool: fault.isPrivileged)
        writer.field("last", bool: fault.isLast)
      }
    }
  }

  /// Reads the body of `POST /fault-queues/{id}/responses`: answers by their cookies, or the bytes
  /// of a write to the queue's file.
  static func decodeResponses(_ reader: ObjectReader, to queue: String) -> Operation? {
    let bytes = reader.bytes("bytes")
    let elements = reader.array("responses", count: 1...4096)
    guard
      reader.hasOne(
        of: ("responses", elements != nil), ("bytes", bytes != nil),
        notBoth: "says the same as responses; send one of them")
    else { return nil }
    return bytes.map { .writeFaultResponses(queue: queue, bytes: $0) }
      ?? responses(elements ?? [], reader).map { .respondToFaults(queue: queue, $0) }
  }

  private static func responses(
    _ elements: [JSONValue], _ reader: ObjectReader
  ) -> [FaultResponse]? {
    var result: [FaultResponse] = []
    for (position, element) in elements.enumerated() {
      let inner = ObjectReader(element, at: reader.pointer("responses", position))
      let cookie = inner.int("cookie", required: true, in: 0...Int(UInt32.max))
      let code = inner.choice("code", required: true, of: PageResponseCode.self)
      reader.adopt(inner)
      guard let cookie, let code else { continue }
      if result.contains(where: { Int($0.cookie) == cookie }) {
        reader.fault(.invalidField, "responses/\(position)/cookie", "is answered twice")
      }
      result.append(FaultResponse(cookie: UInt32(cookie), code: code))
    }
    return result.count == elements.count ? result : nil
  }
}
