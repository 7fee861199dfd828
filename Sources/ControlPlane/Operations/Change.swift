// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Hashing
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

/// What a request says besides what it does: on which conditions, and whether for real.
struct Conditions: Sendable {
  var isDryRun = false
  var ifMatch: String?
  var ifNoneMatch: String?
  var idempotencyKey: String?
  /// What makes a repetition of the request recognisable.
  var fingerprint = ""
  /// What the request is about, for its refusal.
  private var target: Target?

  init() {}

  /// - Throws: a problem with the key.
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

  /// The refusal of the request.
  func response(to problem: Problem) -> Response {
    var problem = problem
    if problem.instance == nil, let target {
      problem.instance = String(decoding: target.rawPath, as: UTF8.self)
    }
    return problem.response()
  }

  /// - Throws: `precondition_failed`
  func check(_ subject: Change.Subject?, in state: HostState, epoch: Int) throws(Problem) {
    guard ifMatch != nil || ifNoneMatch != nil else { return }
    try check(subject.flatMap { EntityTag(of: $0, in: state, epoch: epoch) })
  }

  /// - Parameter tag: of the resource that the request is about; nil when it is not there.
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

/// An entity tag (RFC 9110, section 8.8.3): the epoch of the log and the transaction that last
/// changed what is shown.
struct EntityTag: Equatable {
  let text: String

  init(text: String) { self.text = text }

  init(_ object: Object, epoch: Int) {
    var text = "\"e\(epoch)-\(object.revision)"
    // Queues and registers change without a transaction as well.
    switch object {
    case let queue as VEventQueue:
      let status = queue.fifo.status
      text += "-\(status.nextSequence)-\(status.pending)-\(status.hasLost ? 1 : 0)"
    case let queue as FaultQueue:
      let status = queue.fifo.status
      text += "-\(status.pending)-\(status.unanswered)"
    case is VIOMMU, is HWQueue:
      if let registers = object.hardwareDriver?.registers(of: object) {
        text += "-\(EntityTag.digest(of: registers))"
      }
    default: break
    }
    self.text = text + "\""
  }

  private static func digest(of registers: [DriverFact]) -> Substring {
    var writer = JSONWriter()
    ObjectEncoder.write(registers, to: &writer)
    var hash = SHA256()
    hash.update(writer.bytes)
    return hash.finish().suffix(16)
  }

  init(_ kind: ObjectKind, in state: HostState, epoch: Int) {
    text = "\"e\(epoch)-\(kind.rawValue)-\(state.core.revision(of: kind))\""
  }

  init?(of subject: Change.Subject, in state: HostState, epoch: Int) {
    switch subject {
    case .object(let key):
      guard let object = state.core.object(key) else { return nil }
      self.init(object, epoch: epoch)
    case .collection(let kind):
      self.init(kind, in: state, epoch: epoch)
    }
  }

  /// Whether a list of tags in a header field has this one; `*` is any that exists.
  ///
  /// - Parameter isStrong: whether a weak tag does not count, as If-Match wants it (RFC 9110,
  ///   section 13.1.1).
  static func list(
    _ list: String, contains tag: EntityTag?, isStrong: Bool = false
  ) -> Bool {
    guard let tag else { return false }
    return list.split(separator: ",").contains { part in
      let part = part.drop { $0 == " " }.prefix { $0 != " " }
      return part == "*" || part == tag.text || !isStrong && part == "W/" + tag.text
    }
  }
}
