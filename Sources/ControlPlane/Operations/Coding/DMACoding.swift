// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import IOMMUHardware

/// How accesses of devices to memory are read and answered, `POST /devices/{id}/dma`.
enum DMACoding {
  /// Bytes of the longest access.
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

  /// - Parameter since: finds the event that was the first to change the tables after a given
  ///   number of writes to them; nil when that event is not known.
  static func write(
    _ result: DMAResult?, since: (UInt64) -> UInt64?, to writer: inout JSONWriter
  ) {
    // In a dry run, and in a batch before it commits, nobody knows yet how the access will end.
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

  /// The event record that the access raised. An access by a stream that aborts, or through an SMMU
  /// that is off, ends without one.
  private static func event(of result: DMAResult) -> EventRecord? {
    let record = result.record.map(EventRecord.init(words:))
    return record?.id.rawValue == 0 ? nil : record
  }

  /// The bytes that the device has got. There are none behind the place where the access was
  /// stopped, unless the device reads zeros from there on.
  private static func data(of result: DMAResult) -> ArraySlice<UInt8> {
    result.outcome == .zero ? result.data[...] : result.data.prefix(result.count)
  }
}
