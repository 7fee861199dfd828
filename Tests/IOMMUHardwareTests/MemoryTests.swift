// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import IOMMUHardware

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

@Suite struct MemoryTests {
  let memory = PhysicalMemory(base: 0x8000_0000, size: 1 << 40)

  private func readTable(_ address: UInt64) throws -> UInt64 {
    var pages = TablePages()
    return try memory.readTable(address, &pages)
  }

  @Test func `what was never written reads as zero and costs nothing`() throws {
    #expect(try memory.read64(0x8000_0000) == 0)
    #expect(try memory.read(0xff_8000_0ffc, count: 9000) == [UInt8](repeating: 0, count: 9000))
    #expect(memory.residentBytes == 0)
  }

  @Test func `words are little-endian at every width and alignment`() throws {
    try memory.write64(0x8877_6655_4433_2211, at: 0x8000_1000)
    #expect(try memory.read8(0x8000_1000) == 0x11)
    #expect(try memory.read16(0x8000_1002) == 0x4433)
    #expect(try memory.read32(0x8000_1004) == 0x8877_6655)
    #expect(try memory.read32(0x8000_1003) == 0x7766_5544)
    try memory.write16(0xabcd, at: 0x8000_1001)
    #expect(try memory.read64(0x8000_1000) == 0x8877_6655_44ab_cd11)
    try memory.write32(0x0102_0304, at: 0x8000_2ffe)
    #expect(try memory.read16(0x8000_3000) == 0x0102)
    #expect(memory.residentBytes == 3 * 4096)
  }

  @Test func `a block crosses pages and regions`() throws {
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let start: UInt64 = 0x8000_0000 + (1 << 25) - 4099
    try memory.write(bytes, at: start)
    #expect(try memory.read(start, count: bytes.count) == bytes)
    #expect(
      try memory.read64(start + 13) == (0..<8).reduce(0) { $0 | UInt64(bytes[13 + $1]) << (8 * $1) }
    )
  }

  @Test(arguments: [
    (0x7fff_ffff, 1, 0x7fff_ffff), (0x7fff_fffc, 8, 0x7fff_fffc), (0, 8, 0),
    (0x100_8000_0000, 1, 0x100_8000_0000), (0x100_7fff_fffc, 8, 0x100_8000_0000),
    (UInt64.max - 3, 8, UInt64.max - 3), (0x100_7fff_f000, 4097, 0x100_8000_0000),
  ])
  func `outside of what exists is an external abort`(
    address: UInt64, count: Int, first: UInt64
  ) throws {
    let abort = ExternalAbort(address: first)
    #expect(throws: abort) { try memory.read(address, count: count) }
    #expect(throws: abort) { try memory.write([UInt8](repeating: 1, count: count), at: address) }
    if count == 8 {
      #expect(throws: abort) { try memory.read64(address) }
      #expect(throws: abort) { try memory.write64(1, at: address) }
    }
    #expect(memory.residentBytes == 0)
  }

  @Test func `a write to a page of tables is counted once until it is read again`() throws {
    try memory.write64(1, at: 0x8000_1000)
    #expect(memory.tableWrites == 0)
    #expect(try readTable(0x8000_1008) == 0)
    try memory.write64(1, at: 0x8000_2000)
    #expect(memory.tableWrites == 0)
    try memory.write64(1, at: 0x8000_1ff8)
    #expect(memory.tableWrites == 1)
    try memory.write64(1, at: 0x8000_1ff8)
    #expect(memory.tableWrites == 1)
    _ = try readTable(0x8000_1008)
    try memory.write([1, 2, 3], at: 0x8000_0ffe)
    #expect(memory.tableWrites == 2)
  }

  @Test func `a table may be read where nothing was ever written`() throws {
    #expect(try readTable(0x90_0000_0000) == 0)
    try memory.write8(1, at: 0x90_0000_1000)
    #expect(memory.tableWrites == 1)
    #expect(try readTable(0x90_0000_2000) == 0)
    try memory.write8(1, at: 0x90_0000_2000)
    #expect(memory.tableWrites == 2)
  }

  @Test func `threads that write the same fresh pages lose nothing`() throws {
    let memory = memory
    runThreads(2) { thread in
      for page in 0..<2000 {
        let address = 0x8000_0000 + UInt64(page) << 12 + UInt64(thread) * 8
        try? memory.write64(UInt64(page), at: address)
      }
    }
    for page in 0..<2000 {
      let address = 0x8000_0000 + UInt64(page) << 12
      #expect(try memory.read64(address) == UInt64(page))
      #expect(try memory.read64(address + 8) == UInt64(page))
    }
    #expect(memory.residentBytes == 2000 * 4096)
  }
}
