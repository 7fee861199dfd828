// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import IOMMUHardware

/// How accesses of devices are asked for and answered, `POST /devices/{id}/dma`.
enum DMACoding {
  /// Bytes of one access.
  static let lengthLimit = 1 << 20

  static func decode(_ reader: ObjectReader) -> DMARequest? {
    let iova = reader.hex("iova", required: true)
    let access = reader.choice("access", required: true, of: DMARequest.Access.self)
    let length = reader.int("length", in: 1...lengthLimit)
    let data = reader.bytes("data")
    let pasid = reader.int("pasid", in: 0...(1 << 20) - 1)
    let isPrivileged = reader.bool("privileged") ?? false
    let isInstruction = reader.bool("instruction") ?? false
    let usesATS = reader.bool("ats") ?? false
    if let data {
      if access == .read { reader.fault(.invalidField, "data", "is for accesses that write") }
      if data.isEmpty || data.count > lengthLimit {
        reader.fault(.invalidField, "data", "must have 1 to \(lengthLimit) bytes")
      }
      if let length, length != data.count {
        reader.fault(.invalidField, "length", "is not that of data, \(data.count)")
      }
    }
    if isInstruction, let access, access != .read {
      reader.fault(.invalidField, "instruction", "only reads fetch instructions")
    }
    guard let iova, let access else { return nil }
    return DMARequest(
      iova: iova, access: access, length: data?.count ?? length ?? 8, data: data,
      pasid: pasid.map { UInt32($0) }, isPrivileged: isPrivileged, isInstruction: isInstruction,
      usesATS: usesATS)
  }

  /// - Parameter since: finds the event with which tables changed after a count of writes.
  static func write(
    _ result: DMAResult?, since: (UInt64) -> UInt64?, to writer: inout JSONWriter
  ) {
    // A dry run, or a batch that has not committed yet: nobody knows.
    guard let result else {
      writer.field("outcome", text: "undecided")
      return
    }
    writer.field("outcome", text: result.outcome.rawValue)
    writer.field("bytes", int: result.count)
    writer.field("data", text: HexBytes.text(of: data(of: result)))
    writer.field("translation", object: result.translation) { writer, translation in
      writer.field("physical", hex: translation.physical)
      writer.field("size_log2", int: translation.sizeLog2)
      writer.field("permissions", text: translation.permissions)
    }
    writer.field("event", object: event(of: result)) { writer, record in
      RecordCoding.writeMembers(of: record, to: &writer)
      writer.field("recorded", bool: result.isRecorded)
    }
    writer.field("stag", int: result.stag.map { Int($0) })
    writer.field("external_abort", hex: result.externalAbort)
    writer.field("stale", object: result.stale) { writer, stale in
      TraceCoding.writeStale(stale, since: since, to: &writer)
    }
  }

  /// The event that the access raised. A stream that aborts, or an SMMU that is off, ends an access
  /// without one.
  private static func event(of result: DMAResult) -> EventRecord? {
    let record = result.record.map(EventRecord.init(words:))
    return record?.id.rawValue == 0 ? nil : record
  }

  /// What the device got to read: nothing behind the place where it was stopped, unless reads go
  /// on with zeros.
  private static func data(of result: DMAResult) -> ArraySlice<UInt8> {
    result.outcome == .zero ? result.data[...] : result.data.prefix(result.count)
  }
}
