// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD
import Locking

/// Writes a host's objects as they are, some at a time. So a snapshot of a large host neither holds
/// the lock for long nor takes memory for a reader that is slow.
///
/// An object that changes while the snapshot is being sent may be shown as it is after the change.
/// The event of that change follows all the same; a client can tell it by its `txn`, which is not
/// above the `revision` that it has seen.
struct HostSnapshot: SnapshotSource {
  let host: Host
  let filter: EventFilter
  let workers: WorkerPool?

  func write(after key: inout ObjectKey?, limit: Int, _ emit: ([UInt8]) -> Void) -> Bool {
    var written = 0
    var last = key
    var isWhole = false
    // A host that is busy shows nothing now; the stream is asked again.
    let start = key
    _ = host.gate.attempt(workers) {
      // Only the body of a read can throw, and this one does not.
      try? host.read { state in
        isWhole = HostSnapshot.visit(state.core, after: start) { object in
          last = object.key
          guard matches(object) else { return true }
          var writer = JSONWriter()
          state.encoder.write(object, to: &writer)
          written += writer.bytes.count
          emit(writer.bytes)
          return written < limit
        }
      }
    }
    key = last
    return isWhole
  }

  private func matches(_ object: Object) -> Bool {
    if let kind = filter.kind, object.kind != kind { return false }
    if let id = filter.id, object.name != id { return false }
    return true
  }

  /// - Returns: whether all objects behind the key were visited, and `body` stopped at none.
  private static func visit(
    _ core: ObjectCore, after key: ObjectKey?, _ body: (Object) -> Bool
  ) -> Bool {
    for kind in ObjectKind.allCases where key.map({ kind >= $0.kind }) ?? true {
      var isStopped = false
      let start = key.flatMap { $0.kind == kind ? $0.id : nil }
      core.visit(kind, after: start) { object in
        isStopped = !body(object)
        return !isStopped
      }
      if isStopped { return false }
    }
    return true
  }
}
