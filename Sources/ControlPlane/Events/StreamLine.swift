// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// A line of a stream that is made for one reader.
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

/// The frame of a line in Server-Sent Events (HTML Living Standard, section 9.2).
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

  /// The line's own end has been written; an empty line ends the frame.
  static func end(in bytes: inout [UInt8]) { bytes.append(UInt8(ascii: "\n")) }
}
