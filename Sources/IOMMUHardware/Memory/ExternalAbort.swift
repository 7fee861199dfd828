// SPDX-License-Identifier: Apache-2.0

/// The error of an access to memory that does not exist. In a real machine, the interconnect
/// answers such an access with an external abort.
public struct ExternalAbort: Error, Sendable, Equatable {
  /// The first address of the access that does not exist, or that there was no page left for.
  public var address: UInt64

  /// The abort of an access that failed at `address`.
  public init(address: UInt64) { self.address = address }
}
