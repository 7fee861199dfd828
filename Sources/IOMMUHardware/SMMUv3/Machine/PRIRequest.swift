// SPDX-License-Identifier: Apache-2.0

/// A page request that a device sends by PCIe's page request interface (PRI). In the PRI queue it
/// has two 64-bit words.
public struct PRIRequest: Sendable, Equatable {
  /// The stream ID of the device.
  public var streamID: UInt32
  /// The PASID of the request; nil if it has none.
  public var substreamID: UInt32?
  /// The address of the page, whose lowest twelve bits are not sent.
  public var address: UInt64
  /// PRGIDX: the number of the group that the request belongs to, 9 bits.
  public var group: UInt16
  /// Whether the device wants to read the page.
  public var isRead: Bool
  /// Whether the device wants to write the page.
  public var isWrite: Bool
  /// Whether the device wants to fetch instructions from the page.
  public var isExecute: Bool
  /// Whether the device says that its access is privileged.
  public var isPrivileged: Bool
  /// Whether the request is the last of its group. That is the one that is answered, for the whole
  /// group.
  public var isLast: Bool

  /// A request by its parts.
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

  /// The entry of the PRI queue. Its first word has SID 31:0, SSID 51:32, PRIV 58, EXEC 59, READ
  /// 60, WRITE 61, LAST 62 and SSV 63, its second PRGIDX 8:0 and ADDR 63:12.
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

  /// A request by an entry of the PRI queue.
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
