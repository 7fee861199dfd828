// SPDX-License-Identifier: Apache-2.0

/// The error numbers of Linux that iommufd answers with, by their symbols.
///
/// An API client sees the symbol; the number itself differs between architectures and is not kept.
public enum Errno: String, Error, Sendable, CaseIterable {
  case EPERM, ENOENT, EIO, E2BIG, ENOMEM, EFAULT, EBUSY, EEXIST, ENODEV, EINVAL, ESPIPE, ERANGE
  case EOPNOTSUPP, EADDRINUSE, EOVERFLOW, ENOSPC, EMFILE, ETIMEDOUT, ENOTTY, EMSGSIZE, EBADF, ENXIO
}

/// The kind and the name of an object: enough to find it again.
public struct ObjectKey: Hashable, Sendable, Codable {
  /// The kind of the object. A name is unique only within a host and a kind.
  public let kind: ObjectKind
  /// The name of the object in the API (`Object.name`), not its number in the kernel's ABI.
  public let id: String

  /// Names an object, whether or not there is one of that name.
  public init(_ kind: ObjectKind, _ id: String) {
    self.kind = kind
    self.id = id
  }
}

/// Why an operation was refused.
///
/// An operation that throws a refusal has changed nothing: whatever it had done before is taken
/// back with its transaction. Where the kernel keeps what it did before it failed, the refusal
/// stands in the outcome instead (`UnmapOutcome`, `InvalidationOutcome`).
public struct Refusal: Error, Sendable, Equatable {
  /// What is the matter, where the errno alone does not say it: `ENOENT`, for one, stands both for
  /// the object that the request is about and for one that it only mentions.
  public enum Reason: Sendable, Equatable {
    /// The object that the operation is about is not there.
    case notFound
    /// A field refers to an object that is not there.
    case referenceNotFound
    /// Other objects hold the object, so that it cannot be destroyed.
    case pinned
    /// The state of the object itself does not allow the operation.
    case busy
    /// Something is there already that can be there only once.
    case exists
    /// Numbers, slots or room of a limited supply are used up.
    case exhausted
    /// The driver, or the hardware that it runs, cannot do what is asked.
    case unsupported
    /// The request holds a bit pattern that must not reach the hardware.
    case hardware
    /// The request contradicts itself or breaks a rule of the ABI.
    case invalid
  }

  /// The error number that the system call would return in the kernel.
  public let errno: Errno
  /// What is the matter; the errno and the reason together choose the answer of the API.
  public let reason: Reason
  /// The name of the request's field that is to blame; nil when none is to blame alone.
  public let field: String?
  /// A short text for people that says what stands against the operation.
  public let detail: String
  /// The object that is pinned or busy, or that exists already; nil when the refusal is about none.
  public var object: ObjectKey?

  /// Refuses for the reason that usually goes with the errno.
  public init(
    _ errno: Errno, field: String? = nil, _ detail: String, object: ObjectKey? = nil
  ) {
    self.init(errno, Refusal.usualReason(errno), field: field, detail, object: object)
  }

  /// Refuses for a reason that the errno alone does not imply, as `ENOENT` with `notFound` does.
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

/// A number in the form in which the API writes it: hexadecimal, with the prefix `0x`.
func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
