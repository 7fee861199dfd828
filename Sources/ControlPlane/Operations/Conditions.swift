// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// What a request says besides what is to be done: on which conditions, and whether in earnest.
struct Conditions: Sendable {
  var isDryRun = false
  var ifMatch: String?
  var ifNoneMatch: String?
  var idempotencyKey: String?
  /// A digest by which a repetition of the request is recognised.
  var fingerprint = ""
  /// The request's target, which is shown in its refusal.
  private var target: Target?

  init() {}

  /// - Throws: `invalid_field` for an `Idempotency-Key` that is empty or too long.
  init(_ request: Request, isDryRun: Bool) throws(Problem) {
    self.isDryRun = isDryRun
    target = request.head.target
    ifMatch = request.head.headers[.ifMatch]
    ifNoneMatch = request.head.headers[.ifNoneMatch]
    guard let key = request.head.headers[.idempotencyKey] else { return }
    guard !key.isEmpty, key.utf8.count <= IdempotencyStore.keyLimit else {
      throw Problem(faults: [
        .init(
          .invalidField, at: "Idempotency-Key",
          "must have 1 to \(IdempotencyStore.keyLimit) bytes")
      ])
    }
    idempotencyKey = key
    fingerprint = IdempotencyStore.fingerprint(of: request)
  }

  /// The answer that refuses the request.
  func response(to problem: Problem) -> Response {
    var problem = problem
    if problem.instance == nil, let target {
      problem.instance = String(decoding: target.rawPath, as: UTF8.self)
    }
    return problem.response()
  }

  /// Holds the preconditions against the resource that the request is about.
  ///
  /// - Throws: `precondition_failed`
  func check(_ subject: Change.Subject?, in state: HostState, epoch: Int) throws(Problem) {
    guard ifMatch != nil || ifNoneMatch != nil else { return }
    try check(subject.flatMap { EntityTag(of: $0, in: state, epoch: epoch) })
  }

  /// Holds the preconditions against an entity tag.
  ///
  /// - Parameter tag: the tag of the resource that the request is about; nil when there is no such
  ///   resource.
  /// - Throws: `precondition_failed`
  func check(_ tag: EntityTag?) throws(Problem) {
    guard ifMatch != nil || ifNoneMatch != nil else { return }
    if let ifMatch, !EntityTag.list(ifMatch, contains: tag, isStrong: true) {
      throw Problem(
        .preconditionFailed, "If-Match: the resource is \(tag?.text ?? "not there")")
    }
    if let ifNoneMatch, EntityTag.list(ifNoneMatch, contains: tag) {
      throw Problem(.preconditionFailed, "If-None-Match: the resource is \(tag?.text ?? "")")
    }
  }
}
