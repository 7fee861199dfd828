// SPDX-License-Identifier: Apache-2.0
import HTTPCore

@testable import ControlPlane
@testable import IOMMUFD
@testable import SMMUDriver

extension Context {
  /// The object IDs that are taken, tombstones left out; a test makes no more than these.
  var takenIDs: [UInt32] { (1...128).filter { byID[$0] != nil } }
}

/// All that a host is, as text: what clients see of its objects, and what they do not see but
/// would come to feel, such as the numbers that are handed out next.
enum HostImage {
  static func of(_ host: Host) -> [UInt8] {
    var writer = JSONWriter(capacity: 1 << 16)
    // Looking at a host cannot fail.
    try? host.read { state in
      writer.beginArray()
      for kind in ObjectKind.allCases { write(kind, state, to: &writer) }
      for (name, group) in state.core.groups.sorted(by: { $0.key < $1.key }) {
        writer.text(name)
        writer.array(of: group.devices) { $0.text($1.name) }
      }
      writer.endArray()
    }
    return writer.bytes
  }

  private static func write(_ kind: ObjectKind, _ state: HostState, to writer: inout JSONWriter) {
    writer.int(state.core.tables[kind.index].counter)
    writer.int(Int(state.core.revision(of: kind)))
    state.core.visit(kind, after: nil) { object in
      state.encoder.write(object, to: &writer)
      writeHidden(object, to: &writer)
      return true
    }
  }

  private static func writeHidden(_ object: Object, to writer: inout JSONWriter) {
    switch object {
    case let ioas as IOAS:
      writer.array(of: ioas.areas) { writer, area in
        writer.object { AreaCoding.writeMembers(of: area, to: &$0) }
        writer.int(area.locks)
      }
    case let context as Context:
      writer.int(context.ids.count)
      writer.int(context.windows.count)
      writer.array(of: context.takenIDs) { $0.int(Int($1)) }
    case let smmu as SMMU:
      guard let driver = smmu.driver as? SMMUv3Driver else { return }
      writer.int(driver.vmids.count)
      writer.int(driver.asids.count)
      writer.int(driver.vintfs?.count ?? -1)
      writer.array(of: driver.owners.ids) { $0.int(Int($1)) }
    default: break
    }
  }
}
