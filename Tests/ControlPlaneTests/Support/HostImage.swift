// SPDX-License-Identifier: Apache-2.0
import HTTPCore

@testable import ControlPlane
@testable import IOMMUFD
@testable import MockDriver
@testable import SMMUDriver

/// All that a host is, as text: what clients see of its objects, and what they do not see but
/// would come to feel, such as the numbers that are handed out next.
enum HostImage {
  static func of(_ host: Host) -> [UInt8] {
    var writer = JSONWriter(capacity: 1 << 16)
    // Looking at a host cannot fail.
    try? host.read { state in
      writer.beginArray()
      writer.hex(state.machine.takenBytes)
      writer.hex(state.machine.takenTableBytes)
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
    case let ioas as IOAS: write(ioas, to: &writer)
    case let context as Context: write(context, to: &writer)
    case let smmu as SMMU: write(smmu.driver, to: &writer)
    case let access as Access: writer.int(Int(access.nextNumber))
    case let viommu as VIOMMU: write(viommu.driverData, to: &writer)
    case let queue as EventQueue:
      writer.int(Int(queue.fileDescriptor ?? 0))
      writer.int(queue.files.count)
      guard let fifo = (queue as? FaultQueue)?.fifo else { return }
      writer.array(of: (1...16).filter { fifo.isWaiting($0) }) { $0.int(Int($1)) }
    default: break
    }
  }

  private static func write(_ ioas: IOAS, to writer: inout JSONWriter) {
    writer.bool(ioas.usesHugePages)
    writer.array(of: ioas.allowed) { writer, range in
      writer.hex(range.lowerBound)
      writer.hex(range.upperBound)
    }
    writer.array(of: ioas.reservations) { writer, reservation in
      writer.hex(reservation.range.lowerBound)
      writer.hex(reservation.range.upperBound)
      writer.text(reservation.owner?.name ?? "")
    }
    writer.array(of: ioas.areas) { writer, area in
      writer.object { AreaCoding.writeMembers(of: area, to: &$0) }
      writer.int(area.locks)
      writer.int(area.memory?.mappings ?? 0)
    }
  }

  private static func write(_ context: Context, to writer: inout JSONWriter) {
    writer.int(context.ids.count)
    writer.int(context.memoryMapNumbers.count)
    writer.int(context.descriptors.count)
    writer.bool(context.accountsPerProcess)
    writer.text(context.compatibleIOAS?.name ?? "")
    writer.array(of: context.windows) { writer, window in
      writer.text(window.viommu.name)
      writer.hex(window.offset)
    }
    writer.array(of: context.byID.ids) { writer, id in
      writer.int(Int(id))
      writer.text(context.byID[id]?.name ?? "")
    }
  }

  private static func write(_ driverData: AnyObject?, to writer: inout JSONWriter) {
    switch driverData {
    case let viommu as MockVIOMMU:
      writer.int(Int(viommu.word))
      writer.array(of: viommu.queues) { $0.text($1?.name ?? "") }
    case let vsmmu as VSMMU:
      writer.int(vsmmu.vintf?.sidSlots.count ?? -1)
      writer.array(of: vsmmu.vintf?.queues.keys.sorted() ?? []) { $0.int(Int($1)) }
    default: break
    }
  }

  private static func write(_ driver: any IOMMUDriver, to writer: inout JSONWriter) {
    switch driver {
    case let driver as SMMUv3Driver:
      writer.int(driver.tags.vmids.count)
      writer.int(driver.tags.asids.count)
      writer.int(driver.interfaces?.numbers.count ?? -1)
      writer.array(of: driver.owners.ids) { writer, id in
        writer.int(Int(id))
        driver.programmer.streams.withStream(id) { stream in
          writer.array(of: stream?.entry.words ?? []) { $0.hex($1) }
          writer.text(stream?.vmaster?.viommu ?? "")
          writer.hex(stream?.vmaster?.virtualID ?? 0)
          writer.array(of: stream?.faultRoutes.keys.sorted() ?? []) { $0.int(Int($1)) }
        }
      }
    case let driver as MockDriver:
      writer.array(of: driver.owners.ids) { writer, id in
        writer.int(Int(id))
        driver.streams.withStream(id) { stream in
          writer.text(stream?.viommu ?? "")
          writer.hex(stream?.virtualID ?? 0)
        }
      }
    case let driver as VTDDriver:
      writer.array(of: driver.owners.ids) { $0.int(Int($1)) }
    default: break
    }
  }
}
