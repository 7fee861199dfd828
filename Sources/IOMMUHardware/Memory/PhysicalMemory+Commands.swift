// SPDX-License-Identifier: Apache-2.0

extension PhysicalMemory {
  /// Reads entries of a command queue. Each of an entry's two words is read in one piece. Either
  /// all entries are read or, if one of them is outside memory, none.
  ///
  /// - Parameters:
  ///   - address: the address of the first entry; a multiple of an entry's 16 bytes.
  ///   - count: how many entries are read.
  ///   - table: gets the entries from index 0 on; it has room for `count` of them.
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
