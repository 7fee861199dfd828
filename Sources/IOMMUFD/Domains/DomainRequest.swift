// SPDX-License-Identifier: Apache-2.0

/// A request for a domain (`struct iommu_hwpt_alloc`).
public struct DomainRequest: Sendable, Equatable, Codable {
  /// What the domain is filled from, `pt_id`.
  public enum PageTable: Sendable, Equatable, Codable {
    case ioas(String)
    case viommu(String)
    /// A nesting parent.
    case domain(String)
  }

  public var device: String
  public var pageTable: PageTable
  public var flags: Domain.Flags
  public var data: UserData?
  /// Counts only with the flag `faultIDValid`.
  public var faultQueue: String?

  public init(
    device: String, pageTable: PageTable, flags: Domain.Flags = [], data: UserData? = nil,
    faultQueue: String? = nil
  ) {
    self.device = device
    self.pageTable = pageTable
    self.flags = flags
    self.data = data
    self.faultQueue = faultQueue
  }
}
