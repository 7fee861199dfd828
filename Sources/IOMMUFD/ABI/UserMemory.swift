// SPDX-License-Identifier: Apache-2.0

/// The part of a process's memory that the process hands over with a system call: what the pointers
/// in the call's argument point to.
///
/// A client of the API has no memory that the server could read, so it sends along what the kernel
/// would fetch (`copy_from_user`), and gets back what the kernel would store.
public struct UserMemory: Sendable, Equatable, Codable {
  /// A piece of memory without gaps.
  public struct Segment: Sendable, Equatable, Codable {
    /// The virtual address of the first byte.
    public var address: UInt64
    /// What the memory holds; the length of the segment is that of the array.
    public var bytes: [UInt8]

    /// Makes a segment of its fields.
    public init(address: UInt64, bytes: [UInt8]) {
      self.address = address
      self.bytes = bytes
    }
  }

  /// The segments in the order in which they were handed over. Where two of them overlap, the first
  /// is used.
  public private(set) var segments: [Segment]

  /// Hands segments over; none at all is what a call without pointers needs.
  public init(_ segments: [Segment] = []) { self.segments = segments }

  /// Reads bytes, all of them from one segment (`copy_from_user`).
  ///
  /// - Throws: `EFAULT` when no segment has all of the addresses.
  func read(_ address: UInt64, _ count: Int, field: String) throws(Refusal) -> [UInt8] {
    if count == 0 { return [] }
    let (segment, offset) = try place(address, count, field)
    return Array(segments[segment].bytes[offset..<offset + count])
  }

  /// Replaces bytes, all of them in one segment (`copy_to_user`).
  ///
  /// - Throws: `EFAULT` when no segment has all of the addresses.
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
