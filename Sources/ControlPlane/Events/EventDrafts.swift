// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// The events of the transaction under way. They are added to the log when it commits, and
/// forgotten when it is taken back. It is used under the host's lock.
final class EventDrafts: ObjectEventRecorder {
  private(set) var drafts: [EventLog.Draft] = []
  private let encoder: ObjectEncoder

  init(_ encoder: ObjectEncoder) { self.encoder = encoder }

  /// Forgets the events of the last transaction.
  func clear() { drafts.removeAll(keepingCapacity: true) }

  func record(_ event: ObjectEvent) {
    switch event {
    case .created(let object): add(.created(object.kind), object)
    case .updated(let object): add(.updated(object.kind), object)
    case .deleted(let object): add(.deleted(object.kind), object.key) { _ in }
    case .attached(let device, let pasid, let domain):
      addAttachment(.deviceAttached, device, pasid, domain: domain, previous: nil)
    case .replaced(let device, let pasid, let domain, let previous):
      addAttachment(.deviceReplaced, device, pasid, domain: domain, previous: previous)
    case .detached(let device, let pasid, let previous):
      addAttachment(.deviceDetached, device, pasid, domain: nil, previous: previous)
    case .unplugged(let device): add(.deviceUnplugged, device.key) { _ in }
    case .tombstoned(let vdev):
      add(.vdevTombstoned, vdev.key) { writer in
        writer.field("object_id", int: vdev.objectID.map(Int.init))
      }
    case .mapped(let ioas, let area):
      add(.ioasMapped, ioas.key) { AreaCoding.writeMembers(of: area, to: &$0) }
    case .unmapped(let ioas, let iova, let length):
      add(.ioasUnmapped, ioas.key) { writer in
        writer.field("iova", hex: iova)
        writer.field("length", hex: length)
      }
    }
  }

  /// Records that the memory behind an address space was written.
  func recordWrite(_ ioas: IOAS, _ iova: UInt64, _ count: Int) {
    add(.ioasWritten, ioas.key) { writer in
      writer.field("iova", hex: iova)
      writer.field("length", hex: UInt64(count))
    }
  }

  /// The members that the last event has of an object, if that event is the object's creation. They
  /// need not be written again for the answer.
  func justCreated(_ object: Object) -> [UInt8]? {
    guard let last = drafts.last, last.type == .created(object.kind),
      last.object?.id == object.name
    else { return nil }
    return last.data
  }

  private func add(_ type: EventType, _ object: Object) {
    var writer = JSONWriter()
    encoder.writeBare(object, to: &writer)
    drafts.append(.init(type: type, object: object.key, data: writer.bytes))
  }

  private func add(
    _ type: EventType, _ key: ObjectKey, _ members: (inout JSONWriter) -> Void
  ) {
    var writer = JSONWriter(capacity: 128)
    writer.object(members)
    drafts.append(.init(type: type, object: key, data: writer.bytes))
  }

  private func addAttachment(
    _ type: EventType, _ device: Device, _ pasid: UInt32, domain: Domain?, previous: Domain?
  ) {
    add(type, device.key) { writer in
      writer.field("pasid", int: Int(pasid))
      writer.field("domain", text: domain?.name)
      writer.field("previous", text: previous?.name)
    }
  }
}
