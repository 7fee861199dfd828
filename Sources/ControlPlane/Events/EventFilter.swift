// SPDX-License-Identifier: Apache-2.0
import IOMMUFD

/// Which events a reader wants. An event matches when it matches every part that is set.
struct EventFilter: Sendable, Equatable {
  var kind: ObjectKind?
  var id: String?
  var type: EventType?

  var isEverything: Bool { kind == nil && id == nil && type == nil }

  func matches(_ entry: EventLog.Entry) -> Bool {
    if let type, entry.type != type { return false }
    if let kind, entry.object?.kind != kind { return false }
    if let id, entry.object?.id != id { return false }
    return true
  }
}
