// SPDX-License-Identifier: Apache-2.0

/// The error numbers of Linux that iommufd answers with, by their symbols.
public enum Errno: String, Error, Sendable, CaseIterable {
  case EPERM, ENOENT, EIO, E2BIG, ENOMEM, EFAULT, EBUSY, EEXIST, ENODEV, EINVAL, ESPIPE, ERANGE
  case EOPNOTSUPP, EADDRINUSE, EOVERFLOW, ENOSPC, EMFILE, ETIMEDOUT, ENOTTY, EMSGSIZE, EBADF, ENXIO
}

/// An object's kind and name, enough to find it again.
public struct ObjectKey: Hashable, Sendable, Codable {
  public let kind: ObjectKind
  public let id: String

  public init(_ kind: ObjectKind, _ id: String) {
    self.kind = kind
    self.id = id
  }
}

/// Why an operation was refused. A refused operation has changed nothing.
public struct Refusal: Error, Sendable, Equatable {
  public enum Reason: Sendable, Equatable {
    /// The object that the operation is about is not there.
    case notFound
    /// A field refers to an object that is not there.
    case referenceNotFound
    /// Others hold the object.
    case pinned
    /// The object's own state stands against it.
    case busy
    case exists
    case exhausted
    case unsupported
    /// A bit pattern that the hardware must not see.
    case hardware
    case invalid
  }

  public let errno: Errno
  public let reason: Reason
  /// The field of the request that is to blame, if one is.
  public let field: String?
  public let detail: String
  /// The object that is pinned or busy.
  public var object: ObjectKey?

  /// A refusal for the reason that usually goes with the errno.
  public init(
    _ errno: Errno, field: String? = nil, _ detail: String, object: ObjectKey? = nil
  ) {
    self.init(errno, Refusal.usualReason(errno), field: field, detail, object: object)
  }

  public init(
    _ errno: Errno, _ reason: Reason, field: String? = nil, _ detail: String,
    object: ObjectKey? = nil
  ) {
    self.errno = errno
    self.reason = reason
    self.field = field
    self.detail = detail
    self.object = object
  }

  private static func usualReason(_ errno: Errno) -> Reason {
    switch errno {
    case .ENOENT: .referenceNotFound
    case .EBUSY: .busy
    case .EEXIST: .exists
    case .ENOSPC: .exhausted
    case .EOPNOTSUPP: .unsupported
    case .EIO: .hardware
    default: .invalid
    }
  }
}

/// A number as the API writes it.
func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
