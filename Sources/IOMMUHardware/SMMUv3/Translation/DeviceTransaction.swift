// SPDX-License-Identifier: Apache-2.0

/// A transaction that a device sends to the SMMU.
public struct DeviceTransaction: Sendable, Equatable {
  /// What kind of address the transaction has (PCIe's AT field).
  public enum Kind: UInt8, Sendable, Equatable {
    /// The address is one that the SMMU translates.
    case untranslated
    /// The device asks for the translation of the address (an ATS Translation Request).
    case translationRequest
    /// The address is the answer to an earlier Translation Request.
    case translated
  }

  /// The stream ID of the device.
  public var streamID: UInt32
  /// The substream ID (PASID), of at most 20 bits; nil if the transaction has none.
  public var substreamID: UInt32?
  /// The address that the device sends.
  public var address: UInt64
  /// Whether the transaction writes, else it reads.
  public var isWrite: Bool
  /// Whether the device says that the access is privileged.
  public var isPrivileged: Bool
  /// Whether the transaction is an instruction fetch, which only a read can be.
  public var isInstruction: Bool
  /// What kind of address the transaction has.
  public var kind: Kind

  /// A transaction. `isInstruction` counts only for a read.
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

  /// The permission that the transaction needs. A Translation Request needs none, because it asks
  /// which there are.
  public var need: Permissions {
    if kind == .translationRequest { return [] }
    let bit: UInt16 = isInstruction ? 2 : isWrite ? 1 : 0
    return Permissions(rawValue: 1 << (isPrivileged ? bit : bit + 3))
  }
}

/// What a translation allows, separately for privileged and unprivileged accesses.
public struct Permissions: OptionSet, Sendable, Hashable {
  /// The permissions as bits 5:0.
  public let rawValue: UInt16
  /// Permissions by their bits.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Privileged accesses may read.
  public static let privilegedRead = Permissions(rawValue: 1 << 0)
  /// Privileged accesses may write.
  public static let privilegedWrite = Permissions(rawValue: 1 << 1)
  /// Privileged accesses may fetch instructions.
  public static let privilegedExecute = Permissions(rawValue: 1 << 2)
  /// Unprivileged accesses may read.
  public static let read = Permissions(rawValue: 1 << 3)
  /// Unprivileged accesses may write.
  public static let write = Permissions(rawValue: 1 << 4)
  /// Unprivileged accesses may fetch instructions.
  public static let execute = Permissions(rawValue: 1 << 5)

  /// All accesses are allowed.
  public static let all = Permissions(rawValue: 0x3f)
  /// Privileged and unprivileged accesses may read.
  static let anyRead: Permissions = [.privilegedRead, .read]
  /// Privileged and unprivileged accesses may write.
  static let anyWrite: Permissions = [.privilegedWrite, .write]
  /// Privileged and unprivileged accesses may fetch instructions.
  static let anyExecute: Permissions = [.privilegedExecute, .execute]

  /// Adds a permission, or takes it away.
  mutating func set(_ permission: Permissions, _ isAllowed: Bool) {
    if isAllowed { formUnion(permission) } else { subtract(permission) }
  }
}

/// The translation of a transaction that may go on.
public struct Translation: Sendable, Equatable {
  /// The physical address that the transaction's address is translated to.
  public var physicalAddress: UInt64
  /// The logarithm of the bytes around the address that are translated in the same way; 64 if all
  /// addresses are, because nothing is translated.
  public var sizeLog2: Int
  /// What is allowed there, to this transaction and to others.
  public var permissions: Permissions

  /// A translation by its parts.
  public init(physicalAddress: UInt64, sizeLog2: Int, permissions: Permissions) {
    self.physicalAddress = physicalAddress
    self.sizeLog2 = sizeLog2
    self.permissions = permissions
  }
}
