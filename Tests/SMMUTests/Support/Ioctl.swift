// SPDX-License-Identifier: Apache-2.0

extension Lab {
  /// A system call on the context `default`, with memory at 0x1000.
  func ioctl(_ number: UInt32, _ argument: String, memory: String? = nil) throws -> Answer {
    let segments = memory.map { #","memory":[{"address":4096,"bytes":"\#($0)"}]"# } ?? ""
    return try post(
      "contexts/default/ioctl", #"{"number":\#(number),"argument":"\#(argument)"\#(segments)}"#)
  }
}
