// SPDX-License-Identifier: Apache-2.0

/// The invalidations of a guest as they come in (`struct iommu_user_data_array`).
public struct InvalidationArray: Sendable, Equatable, Codable {
  /// Entries that one call takes at most (`iommufd_hwpt_invalidate`).
  public static let countLimit = 1 << 19
  /// Bytes of an entry at most: a page.
  public static let entryLimit = 4096

  /// What the entries are (`enum iommu_hwpt_invalidate_data_type`).
  public var type: UInt32
  /// Bytes of an entry.
  public var entryLength: Int
  /// How many entries there are; 0 only asks whether the type is known.
  public var count: Int
  /// The entries one after the other, each of `entryLength` bytes.
  public var bytes: [UInt8]

  /// Puts an array together; `bytes` has `count` times `entryLength` bytes.
  public init(type: UInt32, entryLength: Int, count: Int, bytes: [UInt8]) {
    self.type = type
    self.entryLength = entryLength
    self.count = count
    self.bytes = bytes
  }

  /// The bytes of one entry, as long as the caller made them.
  public func entry(_ index: Int) -> ArraySlice<UInt8> {
    bytes[index * entryLength..<(index + 1) * entryLength]
  }

  /// All entries as a driver's structs (`iommu_copy_struct_from_full_user_array`).
  ///
  /// - Throws: `EINVAL` for another type, or for none; `E2BIG` for an entry that is longer than
  ///   the struct and not 0 there.
  public func copyAll(type: UInt32, size: Int) throws(Refusal) -> [LittleEndian] {
    guard self.type == type else {
      throw Refusal(.EINVAL, field: "type", "entries of type \(type) are taken here")
    }
    guard count > 0 else { throw Refusal(.EINVAL, field: "entries", "there is no entry") }
    var result: [LittleEndian] = []
    result.reserveCapacity(count)
    for index in 0..<count {
      let entry = entry(index)
      guard entry.dropFirst(size).allSatisfy({ $0 == 0 }) else {
        throw Refusal(
          .E2BIG, field: "entries/\(index)", "there is more in the entry than \(size) bytes")
      }
      result.append(LittleEndian(Array(entry), size: size))
    }
    return result
  }
}

/// How far invalidations came.
public struct InvalidationOutcome: Sendable, Equatable {
  /// Entries that were carried out.
  public var handled: Int
  /// Why the next one was not; nil when all were.
  public var refusal: Refusal?

  /// Says how far it came, and what stopped it, if anything did.
  public init(handled: Int, refusal: Refusal? = nil) {
    self.handled = handled
    self.refusal = refusal
  }

  /// The outcome where a driver has nothing to invalidate.
  public static var unsupported: InvalidationOutcome {
    InvalidationOutcome(
      handled: 0,
      refusal: Refusal(.EOPNOTSUPP, field: "hwpt_id", "the driver invalidates nothing there"))
  }
}

/// Invalidating what the hardware has cached for a guest.
extension Domains {
  /// Has the driver carry out a guest's invalidations (`iommufd_hwpt_invalidate`).
  ///
  /// - Throws: `ENOENT`, or `EINVAL` for an object that has nothing to invalidate.
  public func invalidate(
    _ object: Object?, _ request: InvalidationArray
  ) throws(Refusal) -> InvalidationOutcome {
    guard let object else {
      throw Refusal(.ENOENT, field: "hwpt_id", "there is no such object")
    }
    try step()
    defer {
      for object in transaction.takeChanged() {
        touch(object)
        recorder?.record(.updated(object))
      }
    }
    switch object {
    case let domain as Domain where domain.isNested:
      return domain.ops.invalidate(domain, request, in: transaction)
    case let viommu as VIOMMU:
      return viommu.ops.invalidate(viommu, request, in: transaction)
    default:
      throw Refusal(
        .EINVAL, field: "hwpt_id",
        "\(object.kind.rawValue) \(object.name) is neither a nested domain nor a vIOMMU")
    }
  }
}
