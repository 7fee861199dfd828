// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// What is under a host's lock: its objects, and the events of the transaction under way.
final class HostState: ObjectEventRecorder {
  let core: ObjectCore
  let machine: HostMachine
  let models: [any SMMUModel]
  let encoder: ObjectEncoder
  /// The events of the transaction under way.
  private(set) var drafts: [EventLog.Draft] = []
  var replies = IdempotencyStore()
  var shown = ReplyCache()
  /// Devices that send traffic, by name.
  var traffic: [String: TrafficGenerator] = [:]
  /// What those who follow a queue wait for.
  var queueTopics: [ObjectKey: Topic] = [:]

  init(
    settings: HostSettings, name: String, machine: HostMachine, models: [any SMMUModel],
    lastTransaction: UInt64
  ) {
    core = ObjectCore(
      on: machine, pinPolicy: settings.pinPolicy, lastTransaction: lastTransaction)
    encoder = ObjectEncoder(host: name)
    self.machine = machine
    self.models = models
    core.recorder = self
  }

  // MARK: Transactions

  /// Carries something out whole or not at all.
  ///
  /// - Returns: the events of it, for the log.
  func run(_ body: () throws(Problem) -> Void) throws(Problem) -> [EventLog.Draft] {
    try start(body)
    core.commit()
    for key in core.transaction.deleted { queueTopics[key] = nil }
    stopTrafficOfDeleted()
    return drafts
  }

  /// Carries something out, has `answer` look at it, and takes it back.
  ///
  /// - Parameter answer: is given the number of events that there would have been.
  func tryOut<Answer>(
    _ body: () throws(Problem) -> Void, _ answer: (UInt64) -> Answer
  ) throws(Problem) -> Answer {
    try start(body)
    defer { core.rollback() }
    return answer(UInt64(drafts.count))
  }

  private func start(_ body: () throws(Problem) -> Void) throws(Problem) {
    core.begin()
    drafts.removeAll(keepingCapacity: true)
    do {
      try body()
    } catch {
      core.rollback()
      throw error
    }
  }

  // MARK: Events

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

  /// Notes that the memory behind an address space was written.
  func recordWrite(_ ioas: IOAS, _ iova: UInt64, _ count: Int) {
    add(.ioasWritten, ioas.key) { writer in
      writer.field("iova", hex: iova)
      writer.field("length", hex: UInt64(count))
    }
  }

  /// What the last event says of an object, when that event is its creation.
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
