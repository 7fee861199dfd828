// SPDX-License-Identifier: Apache-2.0
import HTTPCore
import IOMMUFD

/// Operations that make objects, delete them, and connect them to each other.
struct ObjectOperations {
  let core: ObjectCore
  let machine: HostMachine
  let models: [any SMMUModel]
  let encoder: ObjectEncoder

  // MARK: Making

  func create(_ creation: Creation) throws(Refusal) -> Outcome {
    .created(try make(creation).key)
  }

  /// Makes an object, unless the very same is there already; then nothing changes. A different
  /// object under the name is a reason to refuse.
  func ensure(_ creation: Creation) throws(Refusal) -> Outcome {
    guard let id = creation.id, let existing = core.object(creation.kind, id) else {
      return try create(creation)
    }
    guard Resource.of(creation.kind).creation(existing) == creation else {
      throw Refusal(
        .EEXIST, "\(creation.kind.rawValue) \(id) exists and is a different one")
    }
    return .unchanged(existing.key)
  }

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

  // MARK: Deleting

  func destroy(_ key: ObjectKey, _ allowMissing: Bool) throws -> Outcome {
    try deleting(key, allowMissing) { try core.removal.destroy(key) }
  }

  /// - Parameter wanted: the digest of the plan that the client means, if it named one.
  func cascade(_ key: ObjectKey, _ wanted: String?, _ allowMissing: Bool) throws -> Outcome {
    try deleting(key, allowMissing) { try carryOutPlan(toDestroy: key, wanted) }
  }

  func unplug(_ device: String) throws -> Outcome {
    try deleting { try core.devices.unplug(device) }
  }

  func closeFiles(of queue: ObjectKey) throws -> Outcome {
    try deleting { try core.eventFiles.closeFiles(of: queue) }
  }

  func closeFile(ofContext context: String) throws -> Outcome {
    try deleting { try core.contexts.closeFile(of: context) }
  }

  /// - Returns: all that was deleted while `body` ran, in that order.
  private func deleting(
    _ key: ObjectKey? = nil, _ allowMissing: Bool = false, _ body: () throws -> Void
  ) throws -> Outcome {
    if let key, allowMissing, core.object(key) == nil { return .missing }
    let before = core.transaction.deleted.count
    try body()
    return .deleted(Array(core.transaction.deleted[before...]))
  }

  private func carryOutPlan(toDestroy key: ObjectKey, _ wanted: String?) throws {
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
    // On a host that follows Linux, the plan for a device is to unplug it, and that deletes it.
    if object.isLive { try core.removal.destroy(key) }
  }

  // MARK: Attaching

  func attach(
    _ device: String, _ pasid: UInt32, _ target: AttachTarget, _ mode: AttachMode
  ) throws(Refusal) -> Outcome {
    try core.attachments.attach(device, pasid: pasid, to: target, mode: mode)
    return .changed(ObjectKey(.device, device))
  }

  /// Detaches a device. The domain that the kernel made by itself for an address space goes when
  /// the last device leaves it, so the answer may name a deleted object.
  func detach(_ device: String, _ pasid: UInt32) throws -> Outcome {
    try deleting { try core.attachments.detach(device, pasid: pasid) }
  }
}
