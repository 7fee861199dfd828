// SPDX-License-Identifier: Apache-2.0

/// A request for a domain (`struct iommu_hwpt_alloc`).
public struct DomainRequest: Sendable, Equatable, Codable {
  /// What the domain is to translate by, which the kernel is told by one ID (`pt_id`).
  public enum PageTable: Sendable, Equatable, Codable {
    /// The mappings of an address space: the domain becomes a paging one.
    case ioas(String)
    /// A guest's tables, on a vIOMMU: the domain becomes a nested one.
    case viommu(String)
    /// A guest's tables, directly on a nesting parent: the domain becomes a nested one.
    case domain(String)
  }

  /// The name of the device that the domain is for (`dev_id`); its driver makes the domain.
  public var device: String
  /// What the domain is to translate by.
  public var pageTable: PageTable
  /// The flags of the request (`flags`).
  public var flags: Domain.Flags
  /// What the caller hands to the driver (`data_type`, `data_uptr`), such as a guest's stream table
  /// entry; nil when it is nothing.
  public var data: UserData?
  /// The name of the queue for the domain's page faults (`fault_id`). Only the flag `faultIDValid`
  /// makes it count.
  public var faultQueue: String?

  /// Makes a request of its fields.
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
