// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

extension Problem {
  /// The problem that a client is told of a refusal. The errno is that of the refusal, and the code
  /// says what to do about it.
  init(_ refusal: Refusal) {
    let code: Code =
      switch refusal.reason {
      case .notFound: .notFound
      case .referenceNotFound: .referenceNotFound
      case .pinned: .pinned
      case .busy: .busy
      case .exists: .exists
      case .exhausted: .exhausted
      case .unsupported: .unsupported
      case .hardware: .hardwareRejected
      case .invalid: .rejected
      }
    let faults =
      refusal.field.map {
        [Fault(code, at: Problem.place(of: $0), refusal.detail)]
      } ?? []
    self.init(code, errno: refusal.errno.rawValue, refusal.detail, faults: faults)
  }

  /// Where a field is: in the body, in the path as `{name}`, or in the query as `?name`.
  private static func place(of field: String) -> String {
    field.hasPrefix("{") || field.hasPrefix("?") ? field : "/" + field
  }
}

extension Refusal {
  /// The same refusal for a request that has the field elsewhere than in its body.
  func moved(_ field: String, to place: String) -> Refusal {
    guard self.field == field else { return self }
    return Refusal(errno, reason, field: place, detail, object: object)
  }

  /// The same refusal for a request about a register, which has the offset in its path and the
  /// width in its query.
  func placedForRegister() -> Refusal {
    moved("offset", to: "{offset}").moved("width", to: "?width")
  }
}
