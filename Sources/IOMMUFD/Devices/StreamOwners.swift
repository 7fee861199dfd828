// SPDX-License-Identifier: Apache-2.0

/// Which device each stream of a physical IOMMU belongs to. A driver looks devices up here when the
/// hardware reports a stream ID.
public final class StreamOwners {
  private let smmu: String
  /// The width of stream IDs in bits.
  private let bits: Int
  private var owners: [UInt32: Device] = [:]

  /// Makes a table in which no stream is taken.
  ///
  /// - Parameters:
  ///   - smmu: the name of the IOMMU, for refusals.
  ///   - bits: the width of its stream IDs in bits, up to 32.
  public init(of smmu: String, bits: Int) {
    self.smmu = smmu
    self.bits = bits
  }

  /// Takes all streams of a device, or none of them.
  ///
  /// - Throws: `ERANGE` for an ID that is too large for the IOMMU, `ENODEV` for one that belongs to
  ///   another device.
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

  /// Gives back all streams of a device.
  public func release(of device: Device, in transaction: Transaction) {
    let ids = device.properties.streamIDs
    set(nil, ids)
    transaction.onRollback { self.set(device, ids) }
  }

  /// The stream IDs that belong to a device, ascending.
  public var ids: [UInt32] { owners.keys.sorted() }

  private func set(_ device: Device?, _ ids: [UInt32]) {
    for id in ids { owners[id] = device }
  }
}
