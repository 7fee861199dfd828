// SPDX-License-Identifier: Apache-2.0

/// What a device asks of the SMMU.
public struct DeviceTransaction: Sendable, Equatable {
  /// How the address is to be understood (PCIe's AT field).
  public enum Kind: UInt8, Sendable, Equatable {
    case untranslated
    /// An ATS Translation Request.
    case translationRequest
    /// The address comes from an earlier Translation Request.
    case translated
  }

  /// The stream that it comes from.
  public var streamID: UInt32
  /// The PASID, if the transaction has one.
  public var substreamID: UInt32?
  /// The address that the device sends.
  public var address: UInt64
  /// Whether it writes, else it reads.
  public var isWrite: Bool
  /// Whether the device claims to be privileged.
  public var isPrivileged: Bool
  /// An instruction fetch; only reads can be one.
  public var isInstruction: Bool
  /// How the address is to be understood.
  public var kind: Kind

  /// Puts a transaction together; a write is never an instruction fetch.
  public init(
    streamID: UInt32, substreamID: UInt32? = nil, address: UInt64, isWrite: Bool = false,
    isPrivileged: Bool = false, isInstruction: Bool = false, kind: Kind = .untranslated
  ) {
    self.streamID = streamID
    self.substreamID = substreamID
    self.address = address
    self.isWrite = isWrite
    self.isPrivileged = isPrivileged
    self.isInstruction = isInstruction && !isWrite
    self.kind = kind
  }

  /// The permission that the transaction needs; a Translation Request asks what there is.
  public var need: Permissions {
    if kind == .translationRequest { return [] }
    let bit: UInt16 = isInstruction ? 2 : isWrite ? 1 : 0
    return Permissions(rawValue: 1 << (isPrivileged ? bit : bit + 3))
  }
}

/// What a translation allows, for the privileged and the unprivileged.
public struct Permissions: OptionSet, Sendable, Hashable {
  /// A bit for each permission.
  public let rawValue: UInt16
  /// A set by its bits.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The privileged may read.
  public static let privilegedRead = Permissions(rawValue: 1 << 0)
  /// The privileged may write.
  public static let privilegedWrite = Permissions(rawValue: 1 << 1)
  /// The privileged may execute.
  public static let privilegedExecute = Permissions(rawValue: 1 << 2)
  /// The unprivileged may read.
  public static let read = Permissions(rawValue: 1 << 3)
  /// The unprivileged may write.
  public static let write = Permissions(rawValue: 1 << 4)
  /// The unprivileged may execute.
  public static let execute = Permissions(rawValue: 1 << 5)

  /// Everything is allowed.
  public static let all = Permissions(rawValue: 0x3f)
  static let anyRead: Permissions = [.privilegedRead, .read]
  static let anyWrite: Permissions = [.privilegedWrite, .write]
  static let anyExecute: Permissions = [.privilegedExecute, .execute]

  mutating func set(_ permission: Permissions, _ isAllowed: Bool) {
    if isAllowed { formUnion(permission) } else { subtract(permission) }
  }
}

/// The answer to a transaction that may go on.
public struct Translation: Sendable, Equatable {
  /// Where the address leads.
  public var physicalAddress: UInt64
  /// The logarithm of the bytes around the address that are translated alike; 64 for all.
  public var sizeLog2: Int
  /// What is allowed there.
  public var permissions: Permissions

  /// Puts a translation together.
  public init(physicalAddress: UInt64, sizeLog2: Int, permissions: Permissions) {
    self.physicalAddress = physicalAddress
    self.sizeLog2 = sizeLog2
    self.permissions = permissions
  }
}
