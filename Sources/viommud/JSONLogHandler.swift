// SPDX-License-Identifier: Apache-2.0
import ControlPlane
import HTTPCore
import Logging

/// Writes each line of the log as a JSON object, for machines that collect logs.
///
/// `time`, `level` and `message` come first, then what the line is about, as texts. Everything is
/// escaped as JSON wants it, so that no byte of a client ends a line or begins another.
struct JSONLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var writer = JSONWriter(capacity: 256)
    writer.object { writer in
      writer.field("time", text: SystemClock.now.text)
      writer.field("level", text: event.level.rawValue)
      writer.field("message", text: "\(event.message)")
      let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
      for (name, value) in all.sorted(by: { $0.key < $1.key }) {
        writer.field(name, text: "\(value)")
      }
    }
    var output = StandardError()
    output.write(String(decoding: writer.bytes, as: UTF8.self) + "\n")
  }
}
