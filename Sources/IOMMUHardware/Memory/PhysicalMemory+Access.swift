// SPDX-License-Identifier: Apache-2.0
import Synchronization

extension PhysicalMemory {
  // MARK: Words

  /// Reads a byte.
  ///
  /// - Throws: an abort if the address does not exist.
  public func read8(_ address: UInt64) throws(ExternalAbort) -> UInt8 { try load(address) }
  /// Reads a little-endian word of 16 bits: in one piece if it is aligned, byte by byte if not.
  ///
  /// - Throws: an abort if one of its bytes does not exist.
  public func read16(_ address: UInt64) throws(ExternalAbort) -> UInt16 { try load(address) }
  /// Reads a little-endian word of 32 bits: in one piece if it is aligned, byte by byte if not.
  ///
  /// - Throws: an abort if one of its bytes does not exist.
  public func read32(_ address: UInt64) throws(ExternalAbort) -> UInt32 { try load(address) }
  /// Reads a little-endian word of 64 bits: in one piece if it is aligned, byte by byte if not.
  ///
  /// - Throws: an abort if one of its bytes does not exist.
  public func read64(_ address: UInt64) throws(ExternalAbort) -> UInt64 { try load(address) }

  /// Writes a byte.
  ///
  /// - Throws: an abort if the address does not exist, or if no page is left for it.
  public func write8(_ value: UInt8, at address: UInt64) throws(ExternalAbort) {
    try store(value, at: address)
  }

  /// Writes a little-endian word of 16 bits: in one piece if it is aligned, byte by byte if not.
  ///
  /// - Throws: an abort if one of its bytes does not exist, or if no page is left for it.
  public func write16(_ value: UInt16, at address: UInt64) throws(ExternalAbort) {
    try store(value, at: address)
  }

  /// Writes a little-endian word of 32 bits: in one piece if it is aligned, byte by byte if not.
  ///
  /// - Throws: an abort if one of its bytes does not exist, or if no page is left for it.
  public func write32(_ value: UInt32, at address: UInt64) throws(ExternalAbort) {
    try store(value, at: address)
  }

  /// Writes a little-endian word of 64 bits: in one piece if it is aligned, byte by byte if not.
  ///
  /// - Throws: an abort if one of its bytes does not exist, or if no page is left for it.
  public func write64(_ value: UInt64, at address: UInt64) throws(ExternalAbort) {
    try store(value, at: address)
  }

  /// Reads a little-endian word of any width. A page that was never written reads as zero.
  @inline(__always)
  func load<Word: MemoryWord>(_ address: UInt64) throws(ExternalAbort) -> Word {
    let width = UInt64(MemoryLayout<Word>.size)
    let offset = try offset(of: address, width)
    if address & (width &- 1) != 0 { return try loadUnaligned(address) }
    guard let page = unsafe page(offset) else { return 0 }
    return unsafe Word(littleEndian: Word.load(page + Int(offset & (Self.pageSize - 1))))
  }

  /// Writes a little-endian word of any width, and counts the write if a table was read from its
  /// page.
  @inline(__always)
  func store<Word: MemoryWord>(_ value: Word, at address: UInt64) throws(ExternalAbort) {
    let width = UInt64(MemoryLayout<Word>.size)
    let offset = try offset(of: address, width)
    if address & (width &- 1) != 0 { return try storeUnaligned(value, at: address) }
    let entry = try unsafe entryForWriting(offset)
    let page = unsafe page(of: entry)
    unsafe Word.store(value.littleEndian, page + Int(offset & (Self.pageSize - 1)))
    unsafe noteWrite(entry, offset)
  }

  @inline(never)
  private func loadUnaligned<Word: MemoryWord>(_ address: UInt64) throws(ExternalAbort) -> Word {
    var value: Word = 0
    for index in 0..<MemoryLayout<Word>.size {
      let byte: UInt8 = try load(address &+ UInt64(index))
      value |= Word(truncatingIfNeeded: byte) << Word(8 * index)
    }
    return value
  }

  @inline(never)
  private func storeUnaligned<Word: MemoryWord>(
    _ value: Word, at address: UInt64
  ) throws(ExternalAbort) {
    for index in 0..<MemoryLayout<Word>.size {
      let byte = UInt8(truncatingIfNeeded: value >> Word(8 * index))
      try store(byte, at: address &+ UInt64(index))
    }
  }

  /// Replaces a word in one piece if it has an expected value, as the SMMU does when it sets an
  /// access flag or a dirty state. It is not counted in `tableWrites`, because the table still
  /// gives the same translation.
  ///
  /// - Parameters:
  ///   - address: a multiple of 8.
  ///   - expected: the value that is replaced.
  ///   - desired: the value that takes its place.
  /// - Returns: whether the word had the expected value, so that it was replaced.
  /// - Throws: an abort if the address does not exist, or if no page is left for it.
  func compareExchange(
    _ address: UInt64, expected: UInt64, desired: UInt64
  ) throws(ExternalAbort) -> Bool {
    let offset = try offset(of: address, 8)
    let page = try unsafe page(of: entryForWriting(offset)) + Int(offset & (Self.pageSize - 8))
    return unsafe page.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.compareExchange(
      expected: expected.littleEndian, desired: desired.littleEndian,
      ordering: .sequentiallyConsistent
    ).exchanged
  }

  /// Reads a word of a table, and marks its page as one that a table was read from.
  ///
  /// - Parameters:
  ///   - address: a multiple of 8.
  ///   - pages: gets the page, with the count of table writes before the read.
  @inline(__always)
  func readTable(
    _ address: UInt64, _ pages: inout TablePages
  ) throws(ExternalAbort) -> UInt64 {
    let offset = try offset(of: address, 8)
    note(offset, in: &pages)
    markTable(offset)
    guard let page = unsafe page(offset) else { return 0 }
    return unsafe UInt64(littleEndian: UInt64.load(page + Int(offset & (Self.pageSize - 8))))
  }

  // MARK: Blocks

  /// Reads bytes into a buffer, as many as it has.
  ///
  /// - Throws: an abort if one of the bytes does not exist; nothing is read then.
  public func read(
    _ address: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(ExternalAbort) {
    unsafe copyOut(try offset(of: address, UInt64(buffer.count)), buffer)
  }

  /// Copies bytes at an offset out of memory; all of them exist.
  private func copyOut(_ start: UInt64, _ buffer: UnsafeMutableRawBufferPointer) {
    var offset = start
    var done = 0
    while done < buffer.count {
      let start = Int(offset & (Self.pageSize - 1))
      let count = min(buffer.count - done, Int(Self.pageSize) - start)
      let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + count])
      if let page = unsafe page(offset) {
        unsafe copy(from: page + start, to: part)
      } else {
        unsafe part.initializeMemory(as: UInt8.self, repeating: 0)
      }
      done += count
      offset &+= UInt64(count)
    }
  }

  /// Writes the bytes of a buffer.
  ///
  /// - Throws: an abort if one of the addresses does not exist; nothing is written then. Also an
  ///   abort if no page is left for one of them; what is before that page has been written.
  public func write(
    _ buffer: UnsafeRawBufferPointer, at address: UInt64
  ) throws(ExternalAbort) {
    try unsafe copyIn(offset(of: address, UInt64(buffer.count)), buffer)
  }

  /// Copies bytes into memory at an offset; all of these addresses exist.
  private func copyIn(
    _ start: UInt64, _ buffer: UnsafeRawBufferPointer
  ) throws(ExternalAbort) {
    var offset = start
    var done = 0
    while done < buffer.count {
      let start = Int(offset & (Self.pageSize - 1))
      let count = min(buffer.count - done, Int(Self.pageSize) - start)
      let entry = try unsafe entryForWriting(offset)
      let part = unsafe UnsafeRawBufferPointer(rebasing: buffer[done..<done + count])
      unsafe copy(from: part, to: page(of: entry) + start)
      unsafe noteWrite(entry, offset)
      done += count
      offset &+= UInt64(count)
    }
  }

  /// Reads bytes.
  ///
  /// - Parameters:
  ///   - address: the first address.
  ///   - count: how many bytes; a negative number is taken for 0.
  /// - Throws: an abort if one of the bytes does not exist.
  public func read(_ address: UInt64, count: Int) throws(ExternalAbort) -> [UInt8] {
    // This is checked before the array is made, because a length that does not exist must not cost
    // memory.
    let offset = try offset(of: address, UInt64(clamping: count))
    var bytes = [UInt8](repeating: 0, count: max(0, count))
    unsafe bytes.withUnsafeMutableBytes { unsafe copyOut(offset, $0) }
    return bytes
  }

  /// Writes the bytes of an array.
  ///
  /// - Throws: what writing a buffer throws.
  public func write(_ bytes: [UInt8], at address: UInt64) throws(ExternalAbort) {
    let offset = try offset(of: address, UInt64(bytes.count))
    try copyIn(bytes, 0..<bytes.count, offset)
  }

  /// Copies a part of a page out of memory. Every access to memory is atomic, so it goes word by
  /// word where memory is aligned to 8 bytes, and byte by byte elsewhere.
  private func copy(
    from source: UnsafeMutableRawPointer, to buffer: UnsafeMutableRawBufferPointer
  ) {
    var index = 0
    while index < buffer.count {
      if buffer.count - index >= 8, unsafe UInt(bitPattern: source + index) & 7 == 0 {
        unsafe buffer.storeBytes(
          of: UInt64.load(source + index), toByteOffset: index, as: UInt64.self)
        index += 8
      } else {
        unsafe buffer.storeBytes(
          of: UInt8.load(source + index), toByteOffset: index, as: UInt8.self)
        index += 1
      }
    }
  }

  /// Copies bytes into a part of a page, word by word where memory is aligned to 8 bytes.
  private func copy(from buffer: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) {
    var index = 0
    while index < buffer.count {
      if buffer.count - index >= 8, unsafe UInt(bitPattern: target + index) & 7 == 0 {
        unsafe UInt64.store(
          buffer.loadUnaligned(fromByteOffset: index, as: UInt64.self), target + index)
        index += 8
      } else {
        unsafe UInt8.store(buffer[index], target + index)
        index += 1
      }
    }
  }
}

// MARK: Parts of arrays

extension PhysicalMemory {
  /// Reads bytes into a part of an array.
  ///
  /// - Parameters:
  ///   - address: the first address.
  ///   - bytes: the array.
  ///   - range: the indices that are filled; the array must have them.
  /// - Throws: an abort if one of the bytes does not exist; nothing is read then.
  public func read(
    _ address: UInt64, into bytes: inout [UInt8], _ range: Range<Int>
  ) throws(ExternalAbort) {
    precondition(range.upperBound <= bytes.count)
    let offset = try offset(of: address, UInt64(range.count))
    unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe copyOut(offset, UnsafeMutableRawBufferPointer(rebasing: buffer[range]))
    }
  }

  /// Writes the bytes of a part of an array.
  ///
  /// - Parameters:
  ///   - bytes: the array.
  ///   - range: the indices that are written; the array must have them.
  ///   - address: the first address.
  /// - Throws: what writing a buffer throws.
  public func write(
    _ bytes: [UInt8], _ range: Range<Int>, at address: UInt64
  ) throws(ExternalAbort) {
    precondition(range.upperBound <= bytes.count)
    let offset = try offset(of: address, UInt64(range.count))
    try copyIn(bytes, range, offset)
  }

  private func copyIn(
    _ bytes: [UInt8], _ range: Range<Int>, _ offset: UInt64
  ) throws(ExternalAbort) {
    var failure: ExternalAbort?
    unsafe bytes.withUnsafeBytes { buffer in
      do throws(ExternalAbort) {
        try unsafe copyIn(offset, UnsafeRawBufferPointer(rebasing: buffer[range]))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }
}
