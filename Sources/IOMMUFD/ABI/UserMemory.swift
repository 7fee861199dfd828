// SPDX-License-Identifier: Apache-2.0

/// The memory of a process that makes a system call, as far as it hands it over: what the pointers
/// in the call's argument point to.
public struct UserMemory: Sendable, Equatable, Codable {
  public struct Segment: Sendable, Equatable, Codable {
    public var address: UInt64
    public var bytes: [UInt8]

    public init(address: UInt64, bytes: [UInt8]) {
      self.address = address
      self.bytes = bytes
    }
  }

  public private(set) var segments: [Segment]

  public init(_ segments: [Segment] = []) { self.segments = segments }

  /// - Throws: `EFAULT` for addresses that no segment has.
  func read(_ address: UInt64, _ count: Int, field: String) throws(Refusal) -> [UInt8] {
    if count == 0 { return [] }
    let (segment, offset) = try place(address, count, field)
    return Array(segments[segment].bytes[offset..<offset + count])
  }

  /// - Throws: `EFAULT` for addresses that no segment has.
  mutating func write(_ address: UInt64, _ bytes: [UInt8], field: String) throws(Refusal) {
    if bytes.isEmpty { return }
    let (segment, offset) = try place(address, bytes.count, field)
    segments[segment].bytes.replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }

  private func place(
    _ address: UInt64, _ count: Int, _ field: String
  ) throws(Refusal) -> (segment: Int, offset: Int) {
    for (index, segment) in segments.enumerated() where address >= segment.address {
      let offset = address - segment.address
      if offset <= UInt64(segment.bytes.count), count <= segment.bytes.count - Int(offset) {
        return (index, Int(offset))
      }
    }
    throw Refusal(
      .EFAULT, field: field, "the memory at \(hex(address)) was not handed over")
  }
}
