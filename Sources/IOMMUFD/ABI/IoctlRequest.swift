// SPDX-License-Identifier: Apache-2.0

/// A system call on an iommufd, as the kernel gets it.
public struct IoctlRequest: Sendable, Equatable, Codable {
  /// The command, type byte included.
  public var number: UInt32
  /// The bytes of the argument; nil for a pointer that leads nowhere.
  public var argument: [UInt8]?
  /// What is in the caller's memory, as far as pointers in the argument lead there.
  public var memory: UserMemory
  /// The name for the object that the call makes; nil for one of the server's.
  public var name: String?

  /// Puts a call together.
  public init(
    number: UInt32, argument: [UInt8]?, memory: UserMemory = UserMemory(), name: String? = nil
  ) {
    self.number = number
    self.argument = argument
    self.memory = memory
    self.name = name
  }
}

/// What a system call has left behind.
public struct IoctlResult: Sendable, Equatable {
  /// The argument as the kernel wrote it back.
  public var argument: [UInt8]
  /// The caller's memory as the kernel left it.
  public var memory: UserMemory
  /// The object that the call has made; nil when it made none.
  public var created: ObjectKey?
  /// Why the call failed, where it has changed something nevertheless.
  public var refusal: Refusal?
}
