// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// What a request that changes a host asks for.
struct Change: Sendable {
  var operation: Operation
  /// The object that the request's path names, whether it is there or not. The request's
  /// preconditions are about it.
  var subject: Subject?

  enum Subject: Sendable, Equatable {
    case object(ObjectKey)
    case collection(ObjectKind)
  }
}
