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
    writer.key("translation")
    if let translation = result.translation {
      writer.object { writer in
        writer.field("physical", hex: translation.physical)
        writer.field("size_log2", int: translation.sizeLog2)
        writer.field("permissions", text: translation.permissions)
      }
    } else {
      writer.null()
    }
    writer.key("event")
    // A stream that aborts, or an SMMU that is off, ends an access without an event.
    if let record = result.record.map(EventRecord.init(words:)), record.id.rawValue != 0 {
      writer.object { writer in
        RecordCoding.writeMembers(of: record, to: &writer)
        writer.field("recorded", bool: result.isRecorded)
      }
    } else {
      writer.null()
    }
    writer.field("stag", int: result.stag.map { Int($0) })
    writer.key("external_abort")
    if let address = result.externalAbort { writer.hex(address) } else { writer.null() }
    writer.key("stale")
    if let stale = result.stale {
      writer.object { TraceCoding.writeStale(stale, since: since, to: &$0) }
    } else {
      writer.null()
    }
  }

  /// What the device got to read: nothing behind the place where it was stopped, unless reads go
  /// on with zeros.
  private static func data(of result: DMAResult) -> ArraySlice<UInt8> {
    result.outcome == .zero ? result.data[...] : result.data.prefix(result.count)
  }
}

/// Event records as JSON.
enum RecordCoding {
  /// Reads the words of a record.
  static func decode(_ reader: ObjectReader) -> [UInt64]? {
    reader.hexArray(
      "words", required: true, count: EventRecord.wordCount...EventRecord.wordCount)
  }

  static func writeMembers(of record: EventRecord, to writer: inout JSONWriter) {
    writer.key("words")
    writer.array(of: record.words) { $0.hex($1) }
    writer.field("id", hex: UInt64(record.id.rawValue))
    writer.field("name", text: record.id.name)
    writer.field("stream_id", int: Int(record.streamID))
    writer.field("substream_id", int: record.hasSubstream ? Int(record.substreamID) : nil)
    writer.field("stage2", bool: record.isStage2)
    writer.field("class", text: record.faultClass.map(name))
    writer.field("stalled", bool: record.isStalled)
    writer.field("stag", int: record.isStalled ? Int(record.stag) : nil)
    writer.field("read", bool: record.isRead)
    writer.field("instruction", bool: record.isInstruction)
    writer.field("privileged", bool: record.isPrivileged)
    writer.field("address", hex: record.address)
    writer.key("ipa")
    if let address = record.intermediateAddress { writer.hex(address) } else { writer.null() }
    writer.key("fetch_address")
    if let address = record.fetchAddress { writer.hex(address) } else { writer.null() }
  }

  /// The names that the specification has for CLASS.
  private static func name(of faultClass: TranslationFault.Class) -> String {
    switch faultClass {
    case .contextDescriptor: "CD"
    case .tableWalk: "TT"
    case .input: "IN"
    }
  }
}
