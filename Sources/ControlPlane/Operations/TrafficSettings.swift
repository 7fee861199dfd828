// SPDX-License-Identifier: Apache-2.0
import HTTPCore

/// The body of `PUT /devices/{id}/traffic`: what a device sends by itself.
public struct TrafficSettings: Sendable, Equatable, Codable {
  /// A range of addresses that the device sends to.
  public struct Target: Sendable, Equatable, Codable {
    /// Where the range begins.
    public var iova: UInt64
    /// The length of the range in bytes, at least that of an access.
    public var length: UInt64
  }

  /// The seed from which the addresses follow.
  public var seed: UInt64
  /// Accesses a second; nil for as many as the machine can make.
  public var rate: Int?
  /// The ranges that the accesses go to; there is at least one.
  public var targets: [Target]
  /// The length of each access in bytes, 1 to 4096.
  public var length: Int
  /// How many of a hundred accesses are writes.
  public var writePercent: Int
  /// The PASIDs that the accesses bear in turn. When there are none, the accesses bear none.
  public var pasids: [UInt32]

  private static let longestAccess = 4096

  init?(_ reader: ObjectReader) {
    let seed = reader.hex("seed") ?? 1
    let rate = reader.int("rate", in: 1...100_000_000)
    let length = reader.int("length", in: 1...TrafficSettings.longestAccess) ?? 8
    let writePercent = reader.int("write_percent", in: 0...100) ?? 50
    let targets = reader.objects("targets", required: true, count: 1...64) { inner, _ in
      TrafficSettings.target(inner, length)
    }
    let pasids = (reader.array("pasids", count: 0...64) ?? []).enumerated().compactMap {
      position, element -> UInt32? in
      let pasid = element.quantity.flatMap { $0 < 1 << 20 ? UInt32($0) : nil }
      if pasid == nil {
        reader.fault(.invalidField, "pasids/\(position)", "expected a PASID of 20 bits")
      }
      return pasid
    }
    guard let targets, !targets.isEmpty else { return nil }
    self.seed = seed
    self.rate = rate
    self.targets = targets
    self.length = length
    self.writePercent = writePercent
    self.pasids = pasids
  }

  private static func target(_ reader: ObjectReader, _ access: Int) -> Target? {
    let iova = reader.hex("iova", required: true)
    let length = reader.hex("length", required: true)
    guard let iova, let length else { return nil }
    if length < UInt64(access) || iova.addingReportingOverflow(length - 1).overflow {
      reader.fault(.invalidField, "length", "must have room for an access, and not wrap around")
      return nil
    }
    return Target(iova: iova, length: length)
  }
}
