// SPDX-License-Identifier: Apache-2.0

/// A guest's invalidations as a request has them (`struct iommu_user_data_array`).
public struct InvalidationArray: Sendable, Equatable, Codable {
  /// The most entries that one request may have (`iommufd_hwpt_invalidate`).
  public static let countLimit = 1 << 19
  /// The most bytes that an entry may have, which is a page.
  public static let entryLimit = 4096

  /// The type of the entries (`enum iommu_hwpt_invalidate_data_type`).
  public var type: UInt32
  /// The number of bytes of each entry.
  public var entryLength: Int
  /// The number of entries. A request without entries only asks whether the type is known.
  public var count: Int
  /// The entries one after the other, each of `entryLength` bytes.
  public var bytes: [UInt8]

  /// An array by its parts. `bytes` must have `count` times `entryLength` bytes.
  public init(type: UInt32, entryLength: Int, count: Int, bytes: [UInt8]) {
    self.type = type
    self.entryLength = entryLength
    self.count = count
    self.bytes = bytes
  }

  /// The bytes of one entry, `entryLength` of them.
  public func entry(_ index: Int) -> ArraySlice<UInt8> {
    bytes[index * entryLength..<(index + 1) * entryLength]
  }

  /// Copies all entries into structs of a driver (`iommu_copy_struct_from_full_user_array`).
  ///
  /// - Parameters:
  ///   - type: the type of entries that the driver takes.
  ///   - size: the size of the driver's struct in bytes. A shorter entry is filled up with zeros.
  /// - Throws: `EINVAL` if the entries have another type or there are none, `E2BIG` for an entry
  ///   that is longer than the struct and has something other than zeros there.
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

/// How many invalidations were carried out, and why not all were.
public struct InvalidationOutcome: Sendable, Equatable {
  /// How many entries were carried out.
  public var handled: Int
  /// Why the next entry was refused; nil if all were carried out.
  public var refusal: Refusal?

  /// An outcome by its parts.
  public init(handled: Int, refusal: Refusal? = nil) {
    self.handled = handled
    self.refusal = refusal
  }

  /// The outcome if a driver has nothing that could be invalidated.
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
  /// - Parameters:
  ///   - object: the nested domain or vIOMMU; nil if the request names none that exists.
  ///   - request: the invalidations.
  /// - Returns: how many were carried out. A refused entry is no error of the call.
  /// - Throws: `ENOENT` if there is no object, `EINVAL` for one that is neither a nested domain nor
  ///   a vIOMMU.
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
