// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUHardware

/// How event records of an SMMU are read from JSON and written as JSON.
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
    writer.field("ipa", hex: record.intermediateAddress)
    writer.field("fetch_address", hex: record.fetchAddress)
  }

  /// The names that the specification has for the values of CLASS.
  private static func name(of faultClass: TranslationFault.Class) -> String {
    switch faultClass {
    case .contextDescriptor: "CD"
    case .tableWalk: "TT"
    case .input: "IN"
    }
  }
}
