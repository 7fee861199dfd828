// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import Hashing
import IOMMUFD

/// An entity tag (RFC 9110, section 8.8.3). It has the epoch of the log and the transaction that
/// last changed what is shown.
struct EntityTag: Equatable {
  let text: String

  init(text: String) { self.text = text }

  init(_ object: Object, epoch: Int) {
    var text = "\"e\(epoch)-\(object.revision)"
    // Queues and registers change without a transaction as well, so what they show is a part of the
    // tag.
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

  /// Whether a list of tags in a header field has this one. `*` stands for any tag of something
  /// that is there.
  ///
  /// - Parameter isStrong: whether weak tags do not count, as is the rule for If-Match (RFC 9110,
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
