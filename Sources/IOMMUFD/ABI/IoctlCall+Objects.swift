// SPDX-License-Identifier: Apache-2.0

/// Commands that make and destroy objects.
extension IoctlCall {
  /// `iommufd_destroy`
  mutating func destroy() throws(Refusal) {
    let id = argument.u32(4)
    guard let object = context.byID[id] else {
      throw Refusal(.ENOENT, field: "id", "context \(context.name) has no object \(id)")
    }
    switch object {
    case let device as Device where device.busObjectID == id: try core.devices.unplug(device.name)
    // Only the queue itself takes its hidden access away, and an access only whoever made it.
    case is HWQueue where object.objectID != id, is Access, is Device:
      throw Refusal(
        .EBUSY, field: "id", "object \(id) belongs to somebody in the kernel", object: object.key)
    default: try core.removal.destroy(object.key)
    }
  }

  /// `iommufd_ioas_alloc_ioctl`
  mutating func allocateIOAS() throws(Refusal) {
    try require("flags", argument.u32(4))
    finish(try core.addressSpaces.allocate(name, context: context.name), idAt: 8)
  }

  /// `iommufd_hwpt_alloc`
  mutating func allocateDomain() throws(Refusal) {
    try require("__reserved", argument.u32(20))
    let (type, length) = (argument.u32(24), argument.u32(28))
    if (type == 0) != (length == 0) {
      throw Refusal(.EINVAL, field: "data_len", "data has a type and a length, or neither")
    }
    let domain = try core.domains.allocate(
      name,
      DomainRequest(
        device: object(.device, 8), pageTable: pageTable,
        flags: Domain.Flags(rawValue: argument.u32(4)),
        data: userData(type: 24, length: 28, pointer: 32), faultQueue: object(.faultQueue, 40)))
    finish(domain, idAt: 16)
  }

  private var pageTable: DomainRequest.PageTable {
    let id = argument.u32(12)
    return switch context.byID[id] {
    case let viommu as VIOMMU: .viommu(viommu.name)
    case let domain as Domain: .domain(domain.name)
    case let ioas as IOAS: .ioas(ioas.name)
    default: .ioas("#\(id)")
    }
  }

  /// `iommufd_viommu_alloc_ioctl`
  mutating func allocateVIOMMU() throws(Refusal) {
    try require("flags", argument.u32(4))
    let type = VIOMMUType(rawValue: argument.u32(8))
    if type == .unspecified {
      throw Refusal(.EOPNOTSUPP, field: "type", "a vIOMMU has a type")
    }
    let made = try core.viommus.allocate(
      name, type: type, device: object(.device, 12), domain: object(.domain, 16),
      data: userData(type: 8, length: 24, pointer: 32))
    if let answer = made.data {
      let count = min(answer.count, Int(argument.u32(24)))
      try memory.write(argument.u64(32), Array(answer.prefix(count)), field: "data_uptr")
    }
    finish(made.viommu, idAt: 20)
  }

  /// `iommufd_vdevice_alloc_ioctl`
  mutating func allocateVDevice() throws(Refusal) {
    let vdev = try core.vdevs.allocate(
      name, viommu: object(.viommu, 4), device: object(.device, 8), virtualID: argument.u64(16))
    finish(vdev, idAt: 12)
  }

  /// `iommufd_veventq_alloc`
  mutating func allocateVEventQueue() throws(Refusal) {
    try require("flags", argument.u32(4))
    try require("__reserved", argument.u32(28))
    let type = VEventQueueType(rawValue: argument.u32(12))
    if type == .unspecified {
      throw Refusal(.EOPNOTSUPP, field: "type", "a veventq has a type")
    }
    let queue = try core.veventqs.allocate(
      name, viommu: object(.viommu, 8), type: type, depth: Int(argument.u32(16)),
      keepsFileOpen: true)
    finish(queue, idAt: 20)
    argument.set(24, u32: queue.fileDescriptor ?? 0)
  }

  /// `iommufd_fault_alloc`
  mutating func allocateFaultQueue() throws(Refusal) {
    try require("flags", argument.u32(4))
    let queue = try core.faultQueues.allocate(name, context: context.name, keepsFileOpen: true)
    finish(queue, idAt: 8)
    argument.set(12, u32: queue.fileDescriptor ?? 0)
  }

  /// `iommufd_hw_queue_alloc_ioctl`
  mutating func allocateHWQueue() throws(Refusal) {
    try require("flags", argument.u32(4))
    let type = HWQueueType(rawValue: argument.u32(12))
    if type == .unspecified {
      throw Refusal(.EOPNOTSUPP, field: "type", "a hw-queue has a type")
    }
    let queue = try core.hwQueues.allocate(
      name, viommu: object(.viommu, 8), type: type, index: argument.u32(16),
      iova: argument.u64(24), length: argument.u64(32))
    finish(queue, idAt: 20)
  }
}
