// SPDX-License-Identifier: Apache-2.0

/// A page request of a device with PRI, as the PRI queue has it: two 64-bit words.
public struct PRIRequest: Sendable, Equatable {
  /// The stream of the device that asks.
  public var streamID: UInt32
  /// The PASID that the request bears; nil without one.
  public var substreamID: UInt32?
  /// The page; the lower 12 bits are not sent.
  public var address: UInt64
  /// PRGIDX, 9 bits.
  public var group: UInt16
  /// Whether the device wants to read there.
  public var isRead: Bool
  /// Whether the device wants to write there.
  public var isWrite: Bool
  /// Whether the device wants to fetch instructions there.
  public var isExecute: Bool
  /// Whether the device claims to be privileged.
  public var isPrivileged: Bool
  /// The last of its group, which is the one that is answered.
  public var isLast: Bool

  /// Puts a request together.
  public init(
    streamID: UInt32, substreamID: UInt32? = nil, address: UInt64, group: UInt16,
    isRead: Bool = true, isWrite: Bool = false, isExecute: Bool = false,
    isPrivileged: Bool = false, isLast: Bool = true
  ) {
    self.streamID = streamID
    self.substreamID = substreamID
    self.address = address
    self.group = group
    self.isRead = isRead
    self.isWrite = isWrite
    self.isExecute = isExecute
    self.isPrivileged = isPrivileged
    self.isLast = isLast
  }

  /// dw0: SID 31:0, SSID 51:32, PRIV 58, EXEC 59, READ 60, WRITE 61, LAST 62, SSV 63; dw1: PRGIDX
  /// 8:0, ADDR 63:12.
  public var words: (UInt64, UInt64) {
    var first = UInt64(streamID)
    first.setField(51, 32, UInt64(substreamID ?? 0))
    first.setBit(58, isPrivileged)
    first.setBit(59, isExecute)
    first.setBit(60, isRead)
    first.setBit(61, isWrite)
    first.setBit(62, isLast)
    first.setBit(63, substreamID != nil)
    return (first, address & ~0xfff | UInt64(group & 0x1ff))
  }

  /// Reads an entry of the PRI queue.
  public init(words: (UInt64, UInt64)) {
    let (first, second) = words
    self.init(
      streamID: UInt32(truncatingIfNeeded: first),
      substreamID: first.bit(63) ? UInt32(truncatingIfNeeded: first.field(51, 32)) : nil,
      address: second & ~0xfff, group: UInt16(truncatingIfNeeded: second & 0x1ff),
      isRead: first.bit(60), isWrite: first.bit(61), isExecute: first.bit(59),
      isPrivileged: first.bit(58), isLast: first.bit(62))
  }
}
