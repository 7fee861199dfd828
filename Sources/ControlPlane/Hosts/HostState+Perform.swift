// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

extension HostState {
  /// Carries out one operation inside the transaction under way.
  ///
  /// - Throws: the problem; what was changed by then is for the transaction to take back.
  func execute(_ operation: Operation) throws(Problem) -> Outcome {
    do {
      return try perform(operation)
    } catch let refusal as Refusal {
      throw problem(of: refusal)
    } catch let problem as Problem {
      throw problem
    } catch {
      throw Problem(.internal, "\(error)")
    }
  }

  /// A refusal to delete comes with its whole explanation.
  private func problem(of refusal: Refusal) -> Problem {
    var problem = Problem(refusal)
    guard let key = refusal.object, let object = core.object(key),
      refusal.errno == .EBUSY, object.heldBy.count > 0 || object is Device
    else { return problem }
    problem.instance = encoder.path(key)
    let explanation = Explanation(object, policy: core.pinPolicy, encoder)
    var writer = JSONWriter()
    writer.object { explanation.writeMembers(to: &$0) }
    let members = writer.bytes
    problem.members = { writer in writer.merge(object: members) }
    return problem
  }

  private func perform(_ operation: Operation) throws -> Outcome {
    switch operation {
    case .create(let creation):
      return .created(try make(creation).key)
    case .ensure(let creation):
      return try ensure(creation)
    case .destroy(let key, let allowMissing):
      return try deleting(key, allowMissing) { try core.removal.destroy(key) }
    case .cascade(let key, let plan, let allowMissing):
      return try deleting(key, allowMissing) { try cascade(key, plan) }
    case .attach(let device, let pasid, let target, let mode):
      try core.attachments.attach(device, pasid: pasid, to: target, mode: mode)
      return .changed(ObjectKey(.device, device))
    case .detach(let device, let pasid):
      return try deleting { try core.attachments.detach(device, pasid: pasid) }
    case .unplug(let device):
      return try deleting { try core.devices.unplug(device) }
    case .closeFiles(let key):
      return try deleting { try core.eventFiles.closeFiles(of: key) }
    case .closeContextFile(let context):
      return try deleting { try core.contexts.closeFile(of: context) }
    case .map, .unmap, .reserve, .replaceAccess, .pinPages, .unpinPages:
      return try performMapping(operation)
    case .ioctl, .mapMemory, .forkMemoryMap, .unmapMemory:
      return try performSystemCall(operation)
    case .writeMemory, .writeRegister, .writeWindow, .invalidate, .submit, .dma, .startTraffic,
      .stopTraffic:
      return try performOnHardware(operation)
    case .raiseHardwareEvent, .requestPages, .readVEvents, .readFaults, .respondToFaults,
      .writeFaultResponses:
      return try performEvents(operation)
    }
  }

  // MARK: Making

  private func make(_ creation: Creation) throws(Refusal) -> Object {
    switch creation {
    case .smmu(let request): try makeSMMU(request)
    case .context(let request): try core.contexts.open(request.id)
    case .device(let request):
      try core.devices.bind(
        request.id, smmu: request.smmu, context: request.context, properties: request.properties)
    case .ioas(let request): try core.addressSpaces.allocate(request.id, context: request.context)
    case .domain(let creation): try core.domains.allocate(creation.id, creation.request)
    case .viommu(let request):
      try core.viommus.allocate(
        request.id, type: request.type, device: request.device, domain: request.domain,
        data: request.data
      ).viommu
    case .vdev(let request):
      try core.vdevs.allocate(
        request.id, viommu: request.viommu, device: request.device,
        virtualID: request.virtualID)
    case .hwQueue(let request):
      try core.hwQueues.allocate(
        request.id, viommu: request.viommu, type: request.type, index: request.index,
        iova: request.iova, length: request.length, execution: request.execution)
    case .veventq(let request):
      try core.veventqs.allocate(
        request.id, viommu: request.viommu, type: request.type, depth: request.depth,
        keepsFileOpen: request.keepsFileOpen)
    case .faultQueue(let request):
      try core.faultQueues.allocate(
        request.id, context: request.context, keepsFileOpen: request.keepsFileOpen)
    case .access(let request):
      try core.accesses.create(request.id, ioas: request.ioas, pinsPages: request.pinsPages)
    }
  }

  private func makeSMMU(_ request: SMMURequest) throws(Refusal) -> Object {
    guard let model = models.first(where: { $0.name == request.settings.driver }) else {
      throw Refusal(.EINVAL, field: "driver", "there is no driver \(request.settings.driver)")
    }
    return try core.smmus.add(request.id, model, request.settings, on: machine)
  }

  /// The same again is no error and no change; something else under the name is both an error
  /// and no change.
  private func ensure(_ creation: Creation) throws(Refusal) -> Outcome {
    guard let id = creation.id, let existing = core.object(creation.kind, id) else {
      return .created(try make(creation).key)
    }
    guard Resource.of(creation.kind).creation(existing) == creation else {
      throw Refusal(
        .EEXIST, "\(creation.kind.rawValue) \(id) exists and is a different one")
    }
    return .unchanged(existing.key)
  }

  // MARK: Deleting

  /// - Returns: all that went while `body` ran.
  private func deleting(
    _ key: ObjectKey? = nil, _ allowMissing: Bool = false, _ body: () throws -> Void
  ) throws -> Outcome {
    if let key, allowMissing, core.object(key) == nil { return .missing }
    let before = core.transaction.deleted.count
    try body()
    return .deleted(Array(core.transaction.deleted[before...]))
  }

  private func cascade(_ key: ObjectKey, _ wanted: String?) throws {
    guard let object = core.object(key) else {
      throw Refusal(.ENOENT, .notFound, "there is no \(key.kind.rawValue) \(key.id)")
    }
    let plan = Plan(toDestroy: object, policy: core.pinPolicy, encoder)
    if let wanted, wanted != plan.digest {
      var problem = Problem(.planChanged, "the plan is \(plan.digest) now, not \(wanted)")
      var writer = JSONWriter()
      plan.write(to: &writer)
      let bytes = writer.bytes
      problem.members = { writer in
        writer.key("plan")
        writer.raw(bytes)
      }
      throw problem
    }
    for step in plan.steps { try core.removal.take(step) }
    // Where Linux is followed, the plan for a device is to unplug it.
    if object.isLive { try core.removal.destroy(key) }
  }

  // MARK: Events and faults

  private func performEvents(_ operation: Operation) throws(Refusal) -> Outcome {
    switch operation {
    case .raiseHardwareEvent(let name, let record):
      return try raise(record, for: name)
    case .requestPages(let name, let request):
      let device: Device = try core.find(.device, name)
      let queue = try core.faultQueues.requestPages(device, request.faults(of: device))
      return .pagesRequested(queue: queue?.name)
    case .readVEvents(let name, let count):
      let queue: VEventQueue = try core.find(.veventq, name)
      return .vevents(try queue.fifo.read(count: count))
    case .readFaults(let name, let count):
      let queue: FaultQueue = try core.find(.faultQueue, name)
      return .faults(try queue.fifo.read(count: count))
    case .respondToFaults(let queue, let responses):
      try respond(queue, responses)
      return .responded(responses.count)
    case .writeFaultResponses(let queue, let bytes):
      return .written(bytes: try core.faultQueues.writeResponses(queue, bytes))
    default:
      preconditionFailure("not about events")
    }
  }

  private func respond(_ queue: String, _ responses: [FaultResponse]) throws(Refusal) {
    for (position, response) in responses.enumerated() {
      do throws(Refusal) {
        try core.faultQueues.respond(queue, cookie: response.cookie, code: response.code)
      } catch {
        guard let field = error.field else { throw error }
        throw Refusal(
          error.errno, error.reason, field: "responses/\(position)/\(field)", error.detail)
      }
    }
  }

  private func raise(_ record: [UInt64], for name: String) throws(Refusal) -> Outcome {
    let device: Device = try core.find(.device, name)
    let handler = device.smmu.driver.eventHandler
    guard record.count == handler.wordCount else {
      throw Refusal(
        .EINVAL, field: "record", "a record of \(device.smmu.name) has \(handler.wordCount) words")
    }
    let record = handler.record(record, from: device.properties.streamIDs[0])
    let raised = RaisedEvent()
    core.transaction.onCommit { raised.disposition = handler.handle(record) }
    return .raised(raised)
  }
}
