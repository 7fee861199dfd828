// SPDX-License-Identifier: Apache-2.0
import Testing

/// What a device is to be attached to.
enum AttachTarget: Sendable {
  case domain(String)
  case ioas(String)
  case id(UInt32)

  var members: String {
    switch self {
    case .domain(let name): "\"domain\":\"\(name)\""
    case .ioas(let name): "\"ioas\":\"\(name)\""
    case .id(let number): "\"object_id\":\(number)"
    }
  }
}

extension Kernel {
  // MARK: Objects

  /// Makes an object that can be made, by its path.
  @discardableResult
  func make(_ path: String, _ members: String = "") throws -> Reply {
    let reply = try put(path, members)
    try #require(reply.status == 201, "\(path): \(reply.errno ?? "it was there")")
    return reply
  }

  /// The number that the kernel gives an object.
  func id(_ path: String) throws -> UInt32 {
    UInt32(try #require(try get(path)["object_id"]?.number, "\(path)"))
  }

  /// `IOMMU_DESTROY`; nil when it went.
  @discardableResult
  func destroy(_ id: UInt32) throws -> String? { try ioctl(.destroy, [.u32(id)]).errno }

  /// `IOMMU_DESTROY` of an object that is there.
  @discardableResult
  func destroy(_ path: String) throws -> String? { try destroy(try id(path)) }

  /// Whether an object is there.
  func has(_ path: String) throws -> Bool { try get(path).status == 200 }

  // MARK: Devices

  /// Plugs a device in and binds it.
  @discardableResult
  func plug(
    _ name: String = "d", stream: Int = 1, pasidBits: Int = 0, _ more: String = ""
  ) throws -> Reply {
    try make(
      "devices/\(name)",
      "\"smmu\":\"iommu\",\"stream_id\":\(stream),\"pasid_bits\":\(pasidBits)\(more)")
  }

  /// What the self-test does for a device: it is plugged in and attached, or neither.
  @discardableResult
  func makeDevice(
    _ name: String, stream: Int = 1, pasidBits: Int = 0, on target: AttachTarget
  ) throws -> String? {
    let path = "/v1/hosts/\(Kernel.host)/devices/\(name)"
    let body =
      "{\"smmu\":\"iommu\",\"stream_id\":\(stream),\"pasid_bits\":\(pasidBits)}"
    return try post(
      "batch",
      "\"operations\":[{\"method\":\"PUT\",\"path\":\"\(path)\",\"body\":\(body)},"
        + "{\"method\":\"PUT\",\"path\":\"\(path)/attachment?mode=attach\","
        + "\"body\":{\(target.members)}}]"
    ).errno
  }

  func unplug(_ name: String) throws -> String? { try post("devices/\(name)/unplug").errno }

  private func place(_ device: String, _ pasid: Int) -> String {
    "devices/\(device)/attachment" + (pasid == 0 ? "" : "s/\(pasid)")
  }

  func attach(
    _ device: String = "d", pasid: Int = 0, to target: AttachTarget, mode: String = "attach"
  ) throws -> String? {
    try put("\(place(device, pasid))?mode=\(mode)", target.members).errno
  }

  func replace(_ device: String = "d", pasid: Int = 0, by target: AttachTarget) throws -> String? {
    try attach(device, pasid: pasid, to: target, mode: "replace")
  }

  @discardableResult
  func detach(_ device: String = "d", pasid: Int = 0) throws -> String? {
    try delete(place(device, pasid)).errno
  }

  /// The domain that is attached at a PASID.
  func domain(of device: String = "d", pasid: Int = 0) throws -> String? {
    let reply = try get("devices/\(device)")
    if pasid == 0 { return reply["attachment"]?["domain"]?.string }
    return reply["attachments"]?.elements.first { $0["pasid"]?.number == pasid }?["domain"]?.string
  }

  /// Has the hardware report an event of a device.
  func raise(_ device: String = "d") throws -> Reply {
    try post("devices/\(device)/hardware-events", driver.record)
  }

  // MARK: Fixtures

  /// A nesting parent `p` on the address space `i`, for a device.
  func makeParent(for device: String = "d") throws {
    try make(
      "domains/p",
      "\"type\":\"paging\",\"device\":\"\(device)\",\"ioas\":\"i\",\"nest_parent\":true")
  }

  func makePaging(_ name: String, for device: String = "d", _ more: String = "") throws {
    try make(
      "domains/\(name)", "\"type\":\"paging\",\"device\":\"\(device)\",\"ioas\":\"i\"\(more)")
  }

  func makeVIOMMU(_ name: String = "v", for device: String = "d") throws {
    try make(
      "viommus/\(name)",
      "\"type\":\"\(driver.viommuType)\",\"device\":\"\(device)\",\"domain\":\"p\"")
  }

  func makeNested(
    _ name: String = "n", on viommu: String = "v", for device: String = "d", _ more: String = ""
  ) throws {
    try make(
      "domains/\(name)",
      "\"type\":\"nested\",\"device\":\"\(device)\",\"viommu\":\"\(viommu)\","
        + driver.nestedData + more)
  }

  func makeVDev(
    _ name: String = "x", on viommu: String = "v", for device: String = "d", virtualID: UInt64
  ) throws -> String? {
    try put(
      "vdevs/\(name)",
      "\"viommu\":\"\(viommu)\",\"device\":\"\(device)\",\"virt_id\":\"0x\(hex(virtualID))\""
    ).errno
  }

  func makeEventQueue(
    _ name: String = "e", on viommu: String = "v", depth: Int, file: String = "closed"
  ) throws -> String? {
    try put(
      "veventqs/\(name)",
      "\"viommu\":\"\(viommu)\",\"type\":\"\(driver.veventqType)\",\"depth\":\(depth),"
        + "\"file\":\"\(file)\""
    ).errno
  }

  func makeQueue(
    _ name: String, on viommu: String = "v", index: Int, iova: UInt64, length: UInt64 = 0x1000
  ) throws -> String? {
    try put(
      "hw-queues/\(name)",
      "\"viommu\":\"\(viommu)\",\"type\":\"\(driver.hwQueueType)\",\"index\":\(index),"
        + "\"iova\":\"0x\(hex(iova))\",\"length\":\"0x\(hex(length))\""
    ).errno
  }

  func map(_ iova: UInt64, _ length: UInt64, in ioas: String = "i") throws {
    let reply = try post(
      "ioas/\(ioas)/map", "\"iova\":\"0x\(hex(iova))\",\"length\":\"0x\(hex(length))\"")
    try #require(reply.status == 200)
  }

  func unmap(_ iova: UInt64, _ length: UInt64, in ioas: String = "i") throws -> String? {
    try post(
      "ioas/\(ioas)/unmap", "\"iova\":\"0x\(hex(iova))\",\"length\":\"0x\(hex(length))\""
    ).errno
  }

  /// What a VMM has before its guest starts: a device `d`, an address space `i`, a nesting parent
  /// `p`, a vIOMMU `v` and a nested domain `n`.
  static func guest(
    _ driver: Driver, policy: String = "linux", pasidBits: Int = 0
  ) throws -> Kernel {
    let kernel = try Kernel(driver, policy: policy)
    try kernel.make("ioas/i")
    try kernel.plug(pasidBits: pasidBits)
    try kernel.makeParent()
    try kernel.makeVIOMMU()
    try kernel.makeNested()
    return kernel
  }

  // MARK: The end

  private func names(_ collection: String) throws -> [String] {
    try get(collection)["items"]?.elements.compactMap { $0["id"]?.string } ?? []
  }

  /// Unplugs the devices, closes the event files and then the iommufd. Nothing stays, and all
  /// memory is free.
  func close() throws {
    for device in try names("devices") { #expect(try unplug(device) == nil) }
    for collection in ["veventqs", "fault-queues"] {
      for queue in try names(collection) {
        #expect(try delete("\(collection)/\(queue)/file").status == 200)
      }
    }
    #expect(try delete("contexts/default").errno == nil)
    for (collection, count) in try #require(try get("")["objects"]).members
    where collection != "smmus" {
      #expect(count.number == 0, "\(collection) are left")
    }
    try make("contexts/after")
    try make("ioas/after", "\"context\":\"after\"")
    #expect(try post("ioas/after/map", "\"length\":\"0xf000000000\"").errno == nil)
    #expect(try delete("contexts/after").status == 200)
  }

  func hex(_ number: UInt64) -> String { String(number, radix: 16) }
}
