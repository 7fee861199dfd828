// SPDX-License-Identifier: Apache-2.0

/// Whose each stream of a physical IOMMU is: the tree that a driver finds devices in.
public final class StreamOwners {
  private let smmu: String
  /// The width of stream IDs.
  private let bits: Int
  private var owners: [UInt32: Device] = [:]

  public init(of smmu: String, bits: Int) {
    self.smmu = smmu
    self.bits = bits
  }

  /// Takes the streams of a device.
  ///
  /// - Throws: `ERANGE` for an ID that the IOMMU cannot have, `ENODEV` for another device's.
  public func claim(for device: Device, in transaction: Transaction) throws(Refusal) {
    let ids = device.properties.streamIDs
    for id in ids {
      if UInt64(id) >= 1 << UInt64(bits) {
        throw Refusal(.ERANGE, field: "stream_id", "\(smmu) has stream IDs of \(bits) bits")
      }
      if let owner = owners[id] {
        throw Refusal(.ENODEV, field: "stream_id", "device \(owner.name) has that stream ID")
      }
    }
    set(device, ids)
    transaction.onRollback { self.set(nil, ids) }
  }

  public func release(of device: Device, in transaction: Transaction) {
    let ids = device.properties.streamIDs
    set(nil, ids)
    transaction.onRollback { self.set(device, ids) }
  }

  /// The streams that are somebody's, ascending.
  public var ids: [UInt32] { owners.keys.sorted() }

  private func set(_ device: Device?, _ ids: [UInt32]) {
    for id in ids { owners[id] = device }
  }
}
