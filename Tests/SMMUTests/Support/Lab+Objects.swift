// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

/// What most tests have on their host.
extension Lab {
  /// Where the guest's memory is.
  static let base: UInt64 = 0x4000_0000
  static let size: UInt64 = 0x40_0000

  /// The device `gpu0` on stream 66, its memory `ram`.
  @discardableResult
  func plug(_ more: String = "") throws -> Lab {
    try makeDevice("gpu0", stream: 66, more)
    try make("ioas", #""id":"ram""#)
    try map()
    return self
  }

  func makeDevice(_ id: String, stream: Int, _ more: String = "") throws {
    let rest = more.isEmpty ? "" : "," + more
    try make("devices", #""id":"\#(id)","smmu":"smmu0","stream_id":\#(stream)\#(rest)"#)
  }

  @discardableResult
  func map(
    _ iova: UInt64 = Lab.base, _ length: UInt64 = Lab.size, _ more: String = "",
    ioas: String = "ram"
  ) throws -> JSON {
    let rest = more.isEmpty ? "" : "," + more
    let answer = try post(
      "ioas/\(ioas)/map", #"{"iova":"\#(hex(iova))","length":"\#(hex(length))"\#(rest)}"#)
    try #require(answer.status == 200, "\(answer)")
    return answer.json
  }

  func unmap(_ iova: UInt64 = Lab.base, _ length: UInt64 = Lab.size) throws {
    let answer = try post(
      "ioas/ram/unmap", #"{"iova":"\#(hex(iova))","length":"\#(hex(length))"}"#)
    try #require(answer.status == 200, "\(answer)")
  }

  /// A device, its memory and a guest's vIOMMU with a vdev 0x10 and an event queue.
  @discardableResult
  func furnish(_ device: String = "", type: String = "arm-smmuv3") throws -> Lab {
    try plug(device)
    try makeParent("s2")
    try make("viommus", #""id":"v0","type":"\#(type)","device":"gpu0","domain":"s2""#)
    try makeVDev()
    try make("veventqs", #""id":"e0","viommu":"v0","type":"arm-smmuv3","depth":64"#)
    return self
  }

  func makeParent(_ id: String, device: String = "gpu0", ioas: String = "ram") throws {
    try make(
      "domains",
      #""id":"\#(id)","type":"paging","device":"\#(device)","ioas":"\#(ioas)","nest_parent":true"#)
  }

  func makePaging(_ id: String, _ more: String = "", ioas: String = "ram") throws {
    let rest = more.isEmpty ? "" : "," + more
    try make(
      "domains", #""id":"\#(id)","type":"paging","device":"gpu0","ioas":"\#(ioas)"\#(rest)"#)
  }

  func makeVDev(
    _ id: String = "vd0", device: String = "gpu0", viommu: String = "v0", virtID: UInt64 = 0x10
  ) throws {
    try make(
      "vdevs",
      #""id":"\#(id)","viommu":"\#(viommu)","device":"\#(device)","virt_id":"\#(hex(virtID))""#)
  }

  func tryNested(_ id: String, _ ste: [UInt64], viommu: String = "v0") throws -> Answer {
    try post(
      "domains",
      #"{"id":"\#(id)","type":"nested","device":"gpu0","viommu":"\#(viommu)","ste":\#(hexes(ste))}"#
    )
  }

  func makeNested(
    _ id: String = "n0", _ ste: [UInt64] = [0x4000_000b, 0], viommu: String = "v0"
  ) throws {
    let answer = try tryNested(id, ste, viommu: viommu)
    try #require(answer.status == 201, "\(answer)")
  }

  // MARK: Attaching

  @discardableResult
  func attach(_ domain: String, device: String = "gpu0", pasid: Int? = nil) throws -> JSON {
    let answer = try tryAttach(domain, device: device, pasid: pasid)
    try #require(answer.status == 200, "\(answer)")
    return answer.json
  }

  func tryAttach(
    _ domain: String, device: String = "gpu0", pasid: Int? = nil
  ) throws -> Answer {
    let place = pasid.map { "attachments/\($0)" } ?? "attachment"
    return try put("devices/\(device)/\(place)", #"{"domain":"\#(domain)"}"#)
  }

  @discardableResult
  func attach(ioas: String, device: String = "gpu0") throws -> JSON {
    let answer = try put("devices/\(device)/attachment", #"{"ioas":"\#(ioas)"}"#)
    try #require(answer.status == 200, "\(answer)")
    return answer.json
  }

  func detach(_ device: String = "gpu0", pasid: Int? = nil) throws {
    let place = pasid.map { "attachments/\($0)" } ?? "attachment"
    let answer = try delete("devices/\(device)/\(place)")
    try #require(answer.status == 200, "\(answer)")
  }

  /// The device's entry, as the driver keeps it.
  func entry(_ device: String = "gpu0") throws -> [UInt64] {
    try get("devices/\(device)")["hardware"]["ste"].words
  }

  // MARK: Doing things

  /// A DMA of the device.
  @discardableResult
  func dma(
    _ iova: UInt64, _ access: String = "read", _ more: String = "", device: String = "gpu0"
  ) throws -> JSON {
    let rest = more.isEmpty ? "" : "," + more
    let answer = try post(
      "devices/\(device)/dma", #"{"iova":"\#(hex(iova))","access":"\#(access)"\#(rest)}"#)
    try #require(answer.status == 200, "\(answer)")
    return answer.json
  }

  func outcome(
    _ iova: UInt64, _ access: String = "read", _ more: String = "", device: String = "gpu0"
  ) throws -> String {
    try dma(iova, access, more, device: device)["outcome"].string ?? ""
  }

  /// A record of the hardware's for a device; the disposition.
  @discardableResult
  func raise(_ words: [UInt64], device: String = "gpu0") throws -> JSON {
    let answer = try post("devices/\(device)/hardware-events", #"{"record":\#(hexes(words))}"#)
    try #require(answer.status == 200, "\(answer)")
    return answer.json
  }

  /// All records of an event queue, which are taken out.
  func veventRecords(_ queue: String = "e0") throws -> [[UInt64]] {
    try get("veventqs/\(queue)/events")["items"].array.map { $0["data"].words }
  }

  /// A guest's commands, each of two words.
  @discardableResult
  func invalidate(_ commands: [[UInt64]], viommu: String = "v0") throws -> Answer {
    try post(
      "viommus/\(viommu)/invalidate",
      #"{"commands":[\#(commands.map(hexes).joined(separator: ","))]}"#)
  }

  // MARK: Memory and registers

  func write(_ words: [UInt64], at iova: UInt64, ioas: String = "ram") throws {
    let bytes = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
    let answer = try send(
      "PUT", "\(prefix)/ioas/\(ioas)/memory?iova=\(hex(iova))", bytes: bytes,
      type: "application/octet-stream")
    try #require(answer.status == 200, "\(answer)")
  }

  func bytes(at iova: UInt64, _ count: Int, ioas: String = "ram") throws -> [UInt8] {
    let answer = try send(
      "GET", "\(prefix)/ioas/\(ioas)/memory?iova=\(hex(iova))&length=\(count)", bytes: nil)
    try #require(answer.status == 200, "\(answer)")
    return answer.body
  }

  func register(_ offset: UInt64, width: Int = 32) throws -> UInt64 {
    let value = try get("smmus/smmu0/mmio/\(hex(offset))?width=\(width)")["value"].quantity
    return try #require(value)
  }

  func setRegister(_ offset: UInt64, _ value: UInt64, width: Int = 32) throws {
    let answer = try put(
      "smmus/smmu0/mmio/\(hex(offset))?width=\(width)", #"{"value":"\#(hex(value))"}"#)
    try #require(answer.status == 200, "\(answer)")
  }
}
