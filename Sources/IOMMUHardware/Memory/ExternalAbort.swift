// SPDX-License-Identifier: Apache-2.0

/// An access that nothing in the machine answers: the interconnect's external abort.
public struct ExternalAbort: Error, Sendable, Equatable {
  /// The first address that does not exist.
  public var address: UInt64

  /// Nothing answers at the address.
  public init(address: UInt64) { self.address = address }
}
