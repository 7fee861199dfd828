// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// A request that changes a host, decoded.
struct Change: Sendable {
  var operation: Operation
  /// The object that the request's path names, whether it exists or not; preconditions are
  /// about it.
  var subject: Subject?

  enum Subject: Sendable, Equatable {
    case object(ObjectKey)
    case collection(ObjectKind)
  }
}
