// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// How commands for a guest's ring are read and answered, `POST /hw-queues/{id}/submit`.
enum SubmissionCoding {
  private static let commandBytes = 16

  /// Reads commands in the form that they have in the ring: two words each, little-endian.
  static func decode(_ bytes: [UInt8]) throws(Problem) -> [[UInt64]] {
    guard !bytes.isEmpty, bytes.count % commandBytes == 0 else {
      throw Problem(faults: [
        .init(
          .invalidField, at: "",
          "the body is commands of \(commandBytes) bytes, and has \(bytes.count)")
      ])
    }
    let words = LittleEndian(bytes, size: bytes.count)
    return stride(from: 0, to: bytes.count, by: commandBytes).map {
      [words.u64($0), words.u64($0 + 8)]
    }
  }

  /// - Parameter described: how many commands are described. The others are only counted.
  static func write(
    _ result: Submission.Result?, described: Int, to writer: inout JSONWriter
  ) {
    // In a dry run, and in a batch before it commits, nobody knows yet what the hardware will do.
    guard let result else {
      writer.field("outcome", text: "undecided")
      return
    }
    let refused = result.commands.filter { $0.executed == nil }.count
    let outcome = result.error != nil ? "stopped" : result.pending == 0 ? "done" : "pending"
    writer.field("outcome", text: outcome)
    writer.field("enabled", bool: result.isEnabled)
    writer.field("prod", int: Int(result.prod))
    writer.field("cons", int: Int(result.cons))
    writer.field("error", text: result.error)
    writer.field("pending", int: Int(result.pending))
    writer.field("executed", int: result.commands.count - refused)
    writer.field("refused", int: refused)
    writer.key("commands")
    writer.array(of: Array(result.commands.prefix(described))) { writer, command in
      writer.object { write(command, to: &$0) }
    }
  }

  private static func write(_ command: Submission.Command, to writer: inout JSONWriter) {
    writer.field("index", int: Int(command.index))
    writer.key("guest")
    writer.object { CommandCoding.writeMembers(of: command.guest, to: &$0) }
    writer.field("executed", object: command.executed) { writer, executed in
      CommandCoding.writeMembers(of: executed, to: &writer)
    }
    writer.field("error", text: command.error)
  }
}
