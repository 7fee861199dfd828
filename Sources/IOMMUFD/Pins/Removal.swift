// SPDX-License-Identifier: Apache-2.0

/// How objects end, by request or as a step of a plan.
public struct Removal: ObjectVerbs {
  unowned let core: ObjectCore

  /// Destroys an object that nothing holds (`iommufd_destroy`). For a context that means to close
  /// it, with all of its objects.
  ///
  /// - Throws: `ENOENT` when there is no such object; `EBUSY` when others hold it, for a device
  ///   that is attached, and, by the policy that follows Linux, for any device, because it is
  ///   bound.
  public func destroy(_ key: ObjectKey) throws(Refusal) {
    guard let object = object(key) else {
      throw Refusal(.ENOENT, .notFound, "there is no \(key.kind.rawValue) \(key.id)")
    }
    try requireDestroyable(object)
    try step()
    if let context = object as? Context { return try core.contexts.close(context) }
    destroyUnheld(object)
    if let device = object as? Device { try core.contexts.closeIfAbandoned(device.owner) }
  }

  private func requireDestroyable(_ object: Object) throws(Refusal) {
    if let device = object as? Device, pinPolicy == .linux {
      throw Refusal(
        .EBUSY, "device \(device.name) is bound; only its owner can take it away, by unplugging",
        object: device.key)
    }
    if !object.heldBy.isEmpty {
      throw Refusal(
        .EBUSY, .pinned, "\(object.kind.rawValue) \(object.name) is held by \(holders(of: object))",
        object: object.key)
    }
    if let device = object as? Device, device.isAttached {
      let domains = Set(device.attachments.values.map(\.target.name)).sorted()
      throw Refusal(
        .EBUSY, "device \(device.name) is attached to domain \(domains.joined(separator: ", "))",
        object: device.key)
    }
  }

  /// The first few holders of an object in words, and how many more there are.
  private func holders(of object: Object) -> String {
    let pins = PinGraph.sorted(object.heldBy)
    let named = pins.prefix(4).map { pin in
      pin.holder.map { "\($0.kind.rawValue) \($0.name)" } ?? pin.why
    }
    let more = pins.count > named.count ? " and \(pins.count - named.count) more" : ""
    return named.joined(separator: ", ") + more
  }

  /// Ends an object of any kind that nothing holds.
  func destroyUnheld(_ object: Object) {
    switch object {
    case let smmu as SMMU: smmu.driver.shutDown(in: transaction)
    case let device as Device: core.devices.unbind(device)
    case let ioas as IOAS: core.addressSpaces.end(ioas)
    case let domain as Domain: domain.ops.free(domain, in: transaction)
    case let viommu as VIOMMU: viommu.ops.destroy(viommu, in: transaction)
    case let vdev as VDevice: core.vdevs.leave(vdev)
    case let queue as HWQueue: core.hwQueues.end(queue)
    case let queue as VEventQueue: core.veventqs.end(queue)
    case let queue as FaultQueue: core.faultQueues.end(queue)
    default: break
    }
    retire(object)
  }

  /// Takes one step of a plan. A step about an object that is gone already does nothing, because an
  /// earlier step may have taken the object along: a step that closes the last event file of a
  /// context whose own file is closed ends the context, for one.
  ///
  /// - Throws: the errors of the request that the step stands for.
  public func take(_ step: ReleaseStep) throws(Refusal) {
    guard object(step.subject) != nil else { return }
    switch step {
    case .detach(let device, let pasid): try core.attachments.detach(device, pasid: pasid)
    case .unplug(let device): try core.devices.unplug(device)
    case .destroy(let key): try destroy(key)
    case .closeFiles(let key): try core.eventFiles.closeFiles(of: key)
    case .unmapMemory(let context, let number):
      try core.memoryMaps.unmap(number, ofContext: context)
    }
  }
}
