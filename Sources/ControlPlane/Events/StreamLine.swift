// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// Writes the lines of a stream that are made for one reader: those that are no events of the log.
enum StreamLine {
  static func append(
    _ type: String, id: UInt64? = nil, as format: EventLog.Format, to chunk: inout [UInt8],
    _ members: (inout JSONWriter) -> Void
  ) {
    var writer = JSONWriter(capacity: 128)
    writer.object { writer in
      writer.field("type", text: type)
      members(&writer)
    }
    if format == .eventStream { EventFraming.begin(type, id: id, in: &chunk) }
    chunk.append(contentsOf: writer.bytes)
    chunk.append(UInt8(ascii: "\n"))
    if format == .eventStream { EventFraming.end(in: &chunk) }
  }
}

/// The framing of a line as a Server-Sent Event (HTML Living Standard, section 9.2).
enum EventFraming {
  static func begin(_ type: String, id: UInt64?, in bytes: inout [UInt8]) {
    if let id {
      bytes.append(contentsOf: "id: ".utf8)
      Decimal.append(UInt(id), to: &bytes)
      bytes.append(UInt8(ascii: "\n"))
    }
    bytes.append(contentsOf: "event: ".utf8)
    bytes.append(contentsOf: type.utf8)
    bytes.append(contentsOf: "\ndata: ".utf8)
  }

  /// Ends the frame with an empty line. The line in it has its own end already.
  static func end(in bytes: inout [UInt8]) { bytes.append(UInt8(ascii: "\n")) }
}
