// SPDX-License-Identifier: Apache-2.0
import Testing

/// A vIOMMU with a window, as its maker learns of it.
struct Window {
  let viommu: UInt32
  let offset: UInt64
  let length: UInt64
  /// What the call left of the data.
  let data: [UInt8]

  var members: String { "\"offset\":\(offset),\"length\":\(length)" }

  /// Makes a vIOMMU on the parent `p`, for the device `d`.
  static func make(_ kernel: Kernel, word: UInt32 = 0, name: String = "v") throws -> Window {
    let length = kernel.driver.viommuDataLength
    let input = Field.bytes([.u32(word)]) + Array(repeating: 0, count: length - 4)
    let reply = try kernel.ioctl(
      .viommuAlloc,
      [
        .u32(0), .u32(kernel.driver.viommuNumber), .u32(try kernel.id("devices/d")),
        .u32(try kernel.id("domains/p")), .u32(0), .u32(UInt32(length)), .u32(0),
        .u64(Memory.address),
      ], Memory(bytes: input), name: name)
    let viommu = try #require(reply.u32(20), "\(reply.errno ?? "")")
    // The last two words of the data are the window's offset and length.
    func number(_ offset: Int) -> UInt64 {
      reply.memory[offset..<offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    try #require(reply.memory.count == length)
    return Window(
      viommu: viommu, offset: number(length - 16), length: number(length - 8), data: reply.memory)
  }
}
