// SPDX-License-Identifier: Apache-2.0

extension PhysicalMemory {
  /// Reads entries of a command queue, each word in one piece. All of them must exist, or none is
  /// read.
  ///
  /// - Parameters:
  ///   - address: of the first; a multiple of an entry's size.
  ///   - table: has room for them.
  func readCommands(
    _ address: UInt64, _ count: Int, into table: borrowing MaskedTable<Command>
  ) throws(ExternalAbort) {
    var offset = try offset(of: address, UInt64(count) &* Command.byteCount)
    var done = 0
    while done < count {
      let start = offset & (Self.pageSize - Command.byteCount)
      let part = min(count - done, Int((Self.pageSize - start) / Command.byteCount))
      if let page = unsafe page(offset) {
        var place = unsafe page + Int(start)
        for index in done..<done + part {
          table[index] = unsafe Command(
            dw0: UInt64(littleEndian: UInt64.load(place)),
            dw1: UInt64(littleEndian: UInt64.load(place + 8)))
          unsafe place += Int(Command.byteCount)
        }
      } else {
        for index in done..<done + part { table[index] = Command(dw0: 0, dw1: 0) }
      }
      done += part
      offset &+= UInt64(part) &* Command.byteCount
    }
  }
}
